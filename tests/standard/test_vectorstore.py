"""LangChain's published suite for vector stores, on RecipeIndex in memory and with the embedded embedder."""

import pytest
from langchain_tests.integration_tests.vectorstores import VectorStoreIntegrationTests

from tools.embed import Embedder, load_embedder
from tools.index import RecipeIndex


class TestRecipeIndex(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self) -> RecipeIndex:
        return RecipeIndex(self.get_embeddings())


class TestRecipeIndexWithTheEmbeddedEmbedder(VectorStoreIntegrationTests):
    @pytest.fixture(scope="class")
    def embedder(self) -> Embedder:
        return load_embedder()

    @pytest.fixture
    def vectorstore(self, embedder: Embedder) -> RecipeIndex:
        return RecipeIndex(embedder)
