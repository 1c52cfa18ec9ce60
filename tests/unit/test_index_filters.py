"""Which recipes a search may return."""

import pytest
from index_samples import BRITTLE, CREPES, OMELETTE, SAMPLES, CountingEmbeddings
from langchain_core.messages import ToolCall

from tools.filters import avoidance
from tools.index import RecipeIndex
from tools.recipes import Recipe
from tools.search import recipe_search_tool

TART = Recipe("tart", "Tart", ("200 g flour", "2 tbsp Crème fraîche", "1 Jalapeño"), ("Bake.",))


@pytest.fixture(scope="module")
def index() -> RecipeIndex:
    index = RecipeIndex(CountingEmbeddings())
    index.add(SAMPLES)
    return index


def uids(index: RecipeIndex, *, tags: tuple[str, ...] = (), avoid: tuple[str, ...] = ()) -> set[str]:
    return {hit.uid for hit in index.search("dinner", k=10, tags=tags, avoid=avoid)}


@pytest.mark.parametrize(
    ("term", "line", "caught"),
    [
        ("egg", "2 eggs", True),
        ("eggs", "1 egg, beaten", True),
        ("egg", "3 Egg-whites", True),
        ("egg", "1 eggplant", False),
        ("nuts", "1 cup chopped walnuts", True),
        ("nuts", "1 pinch nutmeg", False),
        ("nuts", "1 butternut squash", False),
        ("peanuts", "1 cup walnuts", False),
        ("cherry", "100 g cherries", True),
        ("cookies", "1 cookie", True),
        ("tomatoes", "1 tomato", True),
        ("bay leaf", "2 bay leaves", True),
        ("soy sauce", "1 tbsp soy  sauce", True),
        ("soy sauce", "1 tbsp sauce with soy", False),
        ("creme fraiche", "2 tbsp Crème Fraîche", True),
        ("asparagus", "asparagus tips", True),
        ("dairy", "1 cup buttermilk", True),
        ("(", "1 (8 oz) can", False),
    ],
)
def test_an_ingredient_to_avoid_is_matched_by_whole_words(term: str, line: str, caught: bool) -> None:
    from tools.filters import fold

    assert bool(avoidance(term).search(fold(line))) is caught


def test_only_recipes_without_the_ingredient_are_returned(index: RecipeIndex) -> None:
    assert uids(index, avoid=("egg",)) == {"brittle", "ratatouille", "crepes"}
    assert uids(index, avoid=("egg", "Nuts")) == {"ratatouille", "crepes"}


def test_only_recipes_with_all_the_tags_are_returned(index: RecipeIndex) -> None:
    assert uids(index, tags=("SWEET",)) == {"brittle", "crepes"}
    assert uids(index, tags=("sweet", "breakfast")) == set()


def test_tags_and_avoidance_are_joined(index: RecipeIndex) -> None:
    assert uids(index, tags=("sweet",), avoid=("walnut",)) == {"crepes"}


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_the_filter_comes_before_the_search(index: RecipeIndex, mode: str) -> None:
    [hit] = index.search(OMELETTE.text() + CREPES.name, k=1, mode=mode, avoid=("egg",))  # type: ignore[arg-type]
    assert hit.uid != "omelette"


def test_langchain_filters_by_metadata_or_by_function(index: RecipeIndex) -> None:
    by_metadata = index.similarity_search("sugar", k=5, filter={"name": "Brittle"})
    by_function = index.similarity_search("sugar", k=5, filter=lambda found: found.id == "brittle")
    assert [found.id for found in by_metadata] == [found.id for found in by_function] == ["brittle"]


def test_a_document_without_ingredients_is_filtered_by_its_text() -> None:
    index = RecipeIndex.from_texts(["with eggs", "with ham"], CountingEmbeddings(), ids=["eggs", "ham"])
    assert uids(index, avoid=("egg",)) == {"ham"}


def test_what_is_added_later_is_filtered_too(index: RecipeIndex) -> None:
    index = RecipeIndex(CountingEmbeddings())
    index.add([BRITTLE])
    assert uids(index, avoid=("egg",)) == {"brittle"}
    index.add([OMELETTE, Recipe("water", "Water", ("water",), ())])
    assert uids(index, avoid=("egg",)) == {"brittle", "water"}


@pytest.mark.parametrize(
    ("query", "left_out"),
    [
        ("something without nuts so my son can eat it", {"brittle"}),
        ("dinner without eggs if possible", {"omelette"}),
        ("dinner without milk recipe", {"crepes"}),
        ("dinner (no nuts)", {"brittle"}),
        ("no-egg dinner", {"omelette"}),
        ("dinner, they don't contain nuts", {"brittle"}),
        ("dinner without jalapeño", {"tart"}),
        ("dinner without crème fraîche", {"tart"}),
        ("dinner, no more than 5 ingredients", set()),
    ],
)
def test_what_a_question_rules_out_is_not_found(query: str, left_out: set[str]) -> None:
    index = RecipeIndex(CountingEmbeddings())
    index.add([*SAMPLES, TART])
    call = ToolCall(name="recipe_search", args={"query": query}, id="1", type="tool_call")
    hits = recipe_search_tool(index, k=10).invoke(call).artifact
    assert {hit.uid for hit in hits} == {recipe.uid for recipe in [*SAMPLES, TART]} - left_out
