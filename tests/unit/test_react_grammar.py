"""What a model may write under the grammar of a ReAct step, asked of llguidance itself.

The byte tokenizer stands for every real one: a text can be written if its bytes can.
"""

import json
from typing import get_args

import pytest
from langchain_core.utils.function_calling import convert_to_openai_tool
from llguidance import LLMatcher, LLTokenizer

from agent.engines.grammar import checked_grammar
from agent.react import (
    MAX_ARGUMENT_CHARACTERS,
    MAX_BRIEF_THOUGHT_CHARACTERS,
    MAX_THOUGHT_CHARACTERS,
    Choice,
    ToolSpec,
    grammar,
)
from tools.search import RecipeSearchInput, recipe_search_tool
from tools.summarize import summarize_tool

CHOICES: tuple[Choice, ...] = get_args(Choice)
BYTES = LLTokenizer("byte")
ANY_OBJECT = {"type": "object", "properties": {}}
WEATHER = ToolSpec(
    "weather",
    "Tells the weather.",
    {
        "type": "object",
        "properties": {
            "days": {"type": "integer", "minimum": 1},
            "unit": {"enum": ["C", "F"]},
            "places": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["days"],
    },
)


class NoIndex:
    def search(self, query: str, k: int, mode: object, *, avoid: object) -> list[object]:
        raise NotImplementedError


class NoPolicy:
    name, max_text_tokens = "none", 1

    def count_tokens(self, text: str) -> int:
        raise NotImplementedError

    def write(self, text: str) -> str:
        raise NotImplementedError


def own_tools() -> list[ToolSpec]:
    tools = [recipe_search_tool(NoIndex()), summarize_tool(NoPolicy())]  # type: ignore[arg-type]
    functions = [convert_to_openai_tool(tool)["function"] for tool in tools]
    return [ToolSpec(each["name"], each["description"], each["parameters"]) for each in functions]


TOOLS = own_tools()


def can_write(
    text: str,
    choice: Choice = "auto",
    tools: list[ToolSpec] = TOOLS,
    said: tuple[str, ...] = (),
    brief: bool = False,
) -> bool:
    """Whether the grammar lets a model write exactly this text and then end."""
    rules = checked_grammar(grammar(tools, choice, said, brief=brief))
    matcher = LLMatcher(BYTES, LLMatcher.grammar_from_lark(rules))
    tokens = BYTES.tokenize_str(text)
    return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()


def calling(tool: str, args: object, thought: str = "a recipe is needed") -> str:
    return f"Thought: {thought}\nAction: {tool}\nAction Input: {json.dumps(args, ensure_ascii=False)}"


def replying(answer: str, thought: str = "I can reply") -> str:
    return f"Thought: {thought}\nFinal Answer: {answer}"


SEARCH = calling("recipe_search", {"query": "pie"})


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("tools", [TOOLS, TOOLS[:1], [WEATHER, *TOOLS], [ToolSpec("now", "", ANY_OBJECT)]])
def test_llguidance_accepts_the_grammar_of_every_choice(choice: Choice, tools: list[ToolSpec]) -> None:
    assert checked_grammar(grammar(tools, choice)).startswith("%llguidance {}\n")


@pytest.mark.parametrize(
    ("choice", "may_call", "may_reply"), [("auto", True, True), ("any", True, False), ("none", False, True)]
)
def test_the_choice_decides_between_calling_and_replying(
    choice: Choice, may_call: bool, may_reply: bool
) -> None:
    assert (can_write(SEARCH, choice), can_write(replying("Hi"), choice)) == (may_call, may_reply)


@pytest.mark.parametrize(
    "text",
    [
        SEARCH,
        calling("recipe_search", {"query": 'crème brûlée "à l\'orange" ½ 🥧'}),
        calling("summarize", {"source": "message"}),
        calling("summarize", {"source": "file"}),
        calling("summarize", {"source": "recipe 3"}),
        replying("Pie [1]\n\nIngredients:\n- 2 cups flour\n\nSteps:\n1. Bake: 20 min."),
        replying("Take action: the oven is hot. In my observation: it burns."),
    ],
)
def test_what_the_format_means_can_be_written(text: str) -> None:
    assert can_write(text)


@pytest.mark.parametrize(
    "text",
    [
        f"{SEARCH}\nObservation: a pie",
        f"{SEARCH} and more",
        replying("Pie\nObservation: a pie"),
        replying("Pie\n  OBSERVATION : a pie"),
        replying("Observation: a pie"),
        replying("Pie\n\nThought: more\nAction: recipe_search"),
        replying("Pie\nFinal Answer: cake"),
        replying("Pie", thought="Observation: there is a pie"),
        replying("Pie", thought="hm\nObservation: there is a pie"),
        replying("Pie", thought="hm action input: {}"),
        replying(""),
        replying("Pie", thought=""),
        replying("Pie", thought="x" * (MAX_THOUGHT_CHARACTERS + 1)),
        "Final Answer: Pie",
        "Pie",
        "Observation: a pie",
    ],
)
def test_observations_and_broken_steps_cannot_be_written(text: str) -> None:
    assert not can_write(text)


@pytest.mark.parametrize("tool", ["recipe", "recipe_search2", "Recipe_search", "rm -rf", "now", ""])
def test_unknown_tools_cannot_be_written(tool: str) -> None:
    assert not can_write(calling(tool, {"query": "pie"}))


@pytest.mark.parametrize(
    "args",
    [
        {},
        [],
        "pie",
        {"query": ""},
        {"query": 3},
        {"query": None},
        {"query": "x" * (RecipeSearchInput.model_fields["query"].metadata[1].max_length + 1)},
        {"query": "pie", "k": 3},
        {"dish": "pie"},
    ],
)
def test_arguments_that_break_the_schema_cannot_be_written(args: object) -> None:
    assert not can_write(calling("recipe_search", args))


@pytest.mark.parametrize(
    "source", ["", "messages", "the message", "recipe", "recipe 0", "recipe 123", "recipe  1", "A long text."]
)
def test_summarize_can_only_be_given_a_reference(source: str) -> None:
    assert not can_write(calling("summarize", {"source": source}))


@pytest.mark.parametrize(
    ("args", "allowed"),
    [
        ({"days": 2}, True),
        ({"days": 2, "unit": "C", "places": ["Rome"]}, True),
        ({"days": 0}, False),
        ({"days": 2, "unit": "K"}, False),
        ({"days": 2, "places": ["x" * (MAX_ARGUMENT_CHARACTERS + 1)]}, False),
        ({"days": 2, "places": ["x"] * 9}, False),
    ],
)
def test_other_tools_keep_their_schema_and_their_arguments_end(args: object, allowed: bool) -> None:
    assert can_write(calling("weather", args), tools=[WEATHER]) is allowed


def test_white_space_cannot_go_on_for_ever() -> None:
    assert not can_write(SEARCH.replace('": "', '":   "'))


@pytest.mark.parametrize(
    "said", [("a recipe is needed",), ("hm", "a recipe is needed"), ("(a|b)*/ [c]. \\",)]
)
def test_a_thought_cannot_be_had_twice_in_a_turn(said: tuple[str, ...]) -> None:
    again = calling("recipe_search", {"query": "pie"}, thought=said[-1])
    assert (can_write(again), can_write(again, said=said), can_write(replying("Pie"), said=said)) == (
        True,
        False,
        True,
    )


@pytest.mark.parametrize(
    ("thought", "allowed"),
    [
        ("recipes are needed: a dish is asked for", True),
        ("1" * MAX_BRIEF_THOUGHT_CHARACTERS, True),
        ("1" * (MAX_BRIEF_THOUGHT_CHARACTERS + 1), False),
        ("漢字", False),
        ("Observation: a pie", False),
    ],
)
def test_a_brief_thought_is_short_and_plain(thought: str, allowed: bool) -> None:
    assert can_write(replying("Pie", thought), brief=True) is allowed
