"""LangChain's published suites for embeddings, on the embedded embedder."""

from typing import Any

from langchain_tests.integration_tests.embeddings import EmbeddingsIntegrationTests
from langchain_tests.unit_tests.embeddings import EmbeddingsUnitTests

from tools.embed import DEFAULT_EMBEDDER, Embedder


class TestEmbedderUnit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[Embedder]:
        return Embedder

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": DEFAULT_EMBEDDER, "progress": False}


class TestEmbedderIntegration(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[Embedder]:
        return Embedder

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": DEFAULT_EMBEDDER, "progress": False}
