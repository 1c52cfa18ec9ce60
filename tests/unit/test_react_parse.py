"""What the model wrote, read back: the parser of ReAct steps, whole, in pieces and out of shape."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.react import Action, Part, Step, StepParser, parse, render_action, render_answer

WORDS = (
    "Thought:", "thought :", "Action:", "Action Input:", "Final Answer:", "FINAL ANSWER :", "Observation:",
    "Action", "Thought ", "final answer ", "\n", "\n\n", " ", "  ", "\t", '{"query": "pie"}', "{",
    "recipe_search", "pie", "```json\n", "```", "A", "Thou", "é", ":",
)  # fmt: skip
texts = st.lists(st.sampled_from(WORDS), max_size=14).map("".join)
plain = st.text(alphabet="abc é½,.!{}\"'", min_size=1).map(str.strip).filter(bool)


def parts_of(*pieces: str) -> dict[str, str]:
    """What was streamed of each kind, put together."""
    parser = StepParser()
    parts = [part for piece in pieces for part in parser.feed(piece)] + parser.finish()
    kinds = dict.fromkeys(part.kind for part in parts)
    return {kind: "".join(part.text for part in parts if part.kind == kind) for kind in kinds}


@given(texts, st.integers(0, 60))
def test_a_text_in_two_pieces_gives_the_same_parts_as_whole(text: str, cut: int) -> None:
    assert parts_of(text[:cut], text[cut:]) == parts_of(text)


@given(texts)
def test_a_text_letter_by_letter_gives_the_same_step_as_whole(text: str) -> None:
    parser = StepParser()
    for letter in text:
        parser.feed(letter)
    assert parser.step() == parse(text)


@given(plain, st.dictionaries(plain, plain | st.integers() | st.lists(plain)))
def test_a_rendered_action_is_parsed_as_it_was(thought: str, args: dict[str, object]) -> None:
    action = Action("recipe_search", args)
    assert parse(render_action(action, thought)) == Step(" ".join(thought.split()), action=action)


@given(plain, plain)
def test_a_rendered_answer_is_parsed_as_it_was(thought: str, answer: str) -> None:
    assert parse(render_answer(answer, thought)) == Step(" ".join(thought.split()), answer=answer)


def test_parts_come_as_soon_as_they_are_certain() -> None:
    parser = StepParser()
    pieces = ["Thought: a pie\nAct", "ion: recipe_se", 'arch\nAction Input: {"query"', ': "pie"}']
    assert [parser.feed(piece) for piece in pieces] == [
        [Part("thought", "a pie")],
        [],
        [Part("tool", "recipe_search"), Part("args", '{"query"')],
        [Part("args", ': "pie"}')],
    ]


def test_an_answer_may_have_paragraphs_and_colons() -> None:
    text = "Thought: ok\nFinal Answer: Pie\n\nSteps:\n1. Bake.\nAction: none is needed."
    assert parse(text).answer == "Pie\n\nSteps:\n1. Bake.\nAction: none is needed."


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ('Action: a\nAction Input: {"b": "c"}', Step(action=Action("a", {"b": "c"}))),
        ("thought: hm\nfinal answer: Hi", Step("hm", answer="Hi")),
        ("  Thought : hm\n\n FINAL ANSWER : Hi", Step("hm", answer="Hi")),
        ('Action: a\nAction Input: ```json\n{"b": 1}\n```', Step(action=Action("a", {"b": 1}))),
        ('Action: a\nAction Input: ```\n{"b": 1}\n```', Step(action=Action("a", {"b": 1}))),
        ('Action: `a`\nAction Input: {"b": 1}', Step(action=Action("a", {"b": 1}))),
        ("Action: a", Step(action=Action("a", {}))),
        ("Well. Let me think.\nFinal Answer: Hi", Step(answer="Hi")),
        ("Thought: one\ntwo\nFinal Answer: Hi", Step("one two", answer="Hi")),
    ],
)  # fmt: skip
def test_models_without_a_grammar_are_read_leniently(text: str, step: Step) -> None:
    assert parse(text) == step


@pytest.mark.parametrize("label", ["Observation:", "observation :", " Observation:"])
def test_an_observation_that_the_model_wrote_ends_its_step(label: str) -> None:
    text = (
        f'Thought: hm\nAction: a\nAction Input: {{"b": 1}}\n{label} found\nThought: ok\nFinal Answer: Made up'
    )
    assert parse(text) == Step("hm", action=Action("a", {"b": 1}))


def test_an_action_before_an_answer_is_taken_and_the_answer_is_not() -> None:
    text = 'Thought: hm\nAction: a\nAction Input: {"b": 1}\nThought: ok\nFinal Answer: Made up'
    assert parse(text) == Step("hm", action=Action("a", {"b": 1}))


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", 'there is no line "Action:" or "Final Answer:"'),
        ("Just some text", 'there is no line "Action:" or "Final Answer:"'),
        ("Thought: hm\nFinal Answer: ", 'there is no line "Action:" or "Final Answer:"'),
        ('Action: a\nAction Input: {"b"', 'the text after "Action Input:" is not JSON'),
        (f'Action: a\nAction Input: {{"b": {"9" * 5_000}}}', 'the text after "Action Input:" is not JSON'),
        (f"Action: a\nAction Input: {'[' * 100_000}", 'the text after "Action Input:" is not JSON'),
        ("Action: a\nAction Input: [1]", 'the JSON after "Action Input:" is not an object'),
    ],
)
def test_what_cannot_be_read_is_named(text: str, mistake: str) -> None:
    assert parse(text).mistake == mistake
