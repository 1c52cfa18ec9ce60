"""How the ReAct adapter's rows are made, over a few made-up sources; integration tests have the real ones."""

import gzip
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from llguidance import LLMatcher, LLTokenizer
from scripted import ScriptedEngine, call
from session_samples import small_index

from agent import Session, build_agent
from agent.adapters.material import load_material
from agent.adapters.queries import query_of
from agent.adapters.react_data import MIX, main, make_rows, normal, shipped_questions
from agent.adapters.react_rows import Row, answered, asked, called, permitted, prompted, search, tool_specs
from agent.adapters.wording import Side, pairs, phrasings, said_and_sought, side_of, worded
from agent.engines.grammar import checked_grammar
from agent.grounding import applicable, own_words
from agent.react import Action, grammar, parse

BYTES = LLTokenizer("byte")
FILES = sorted(path.stem for path in Path("agent/adapters/phrasings").glob("*.txt"))
MARKED = ("recipe_requests", "follow_ups")
DIRECT = ("small_talk", "kitchen_questions", "tasks", "general_questions")
LEAST = {
    "recipe_requests": 150,
    "small_talk": 120,
    "kitchen_questions": 100,
    "tasks": 60,
    "general_questions": 40,
}
SOUP = (asked("Soup?"), called("a dish", search("Soup")))


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def article(number: int) -> str:
    return " ".join(f"Sentence {n} of article {number} tells what happened." for n in range(40))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the layout of the real data and a few rows of each source."""
    folder = tmp_path_factory.mktemp("data")
    known = phrasings("ingredients")
    recipes = [
        {
            "uid": f"pdr-{n}",
            "name": f"{known[n].title()} Soup with {known[-n - 1].title()}",
            "ingredients": [f"2 cups {known[(n * 7 + k * 5) % len(known)]}" for k in range(9)],
            "steps": ["Chop everything.", "Cook it for an hour."],
        }
        for n in range(60)
    ]
    write(folder / "recipes/embedded.jsonl", recipes)
    web = [{**recipe, "uid": f"web-{n}"} for n, recipe in enumerate(recipes[:5])]
    write(folder / "recipes/web_7198.jsonl", web)
    packed = gzip.compress((folder / "recipes/web_7198.jsonl").read_bytes())
    (folder / "recipes/web_7198.jsonl.gz").write_bytes(packed)
    asks = [{"query": f"I would like a soup number {n} without nuts"} for n in range(12)]
    write(folder / "questions/recipe_mpr_dev.jsonl", asks)
    for name in ("trec_train", "instructions", "bfcl_irrelevance"):
        rows = [{"question": f"Who was number {n} of {name} ?", "label": "HUM:ind"} for n in range(12)]
        write(folder / f"questions/{name}.jsonl", rows)
    said = [("thank", "Thanks {}!"), ("req_duration", "How long, number {}?")]
    turns = [
        [
            {"bot": False, "text": text.format(n), "annotations": json.dumps({"intent": kind})}
            for kind, text in said
        ]
        for n in range(12)
    ]
    write(
        folder / "dialogues/cookdial.jsonl",
        [{"id": str(n), "messages": turn} for n, turn in enumerate(turns)],
    )
    for place, name in enumerate(("cnn_train", "xsum_train", "dialogsum_train", "dialogsum_dev")):
        write(folder / f"summaries/{name}.jsonl", [{"article": article(20 * place + n)} for n in range(20)])
    return folder


@pytest.fixture(scope="module")
def rows(data: Path) -> dict[Side, list[Row]]:
    return {side: make_rows(load_material(data, side), side, 0, share=0.02) for side in ("train", "dev")}


# ---- the rows


def test_each_kind_of_row_is_made_on_both_sides(rows: dict[Side, list[Row]]) -> None:
    for side in rows:
        routes = Counter(row.route for row in rows[side])
        assert routes.keys() == {"recipe_search", "summarize", "direct"}
        assert sum(routes.values()) >= 2 * len(MIX)


def test_no_piece_of_the_development_rows_is_in_the_training_rows(rows: dict[Side, list[Row]]) -> None:
    pieces = {side: {piece for row in rows[side] for piece in row.made_of} for side in rows}
    assert pieces["train"] & pieces["dev"] == set()


def test_training_reads_the_rows_and_the_agent_their_steps(rows: dict[Side, list[Row]]) -> None:
    for number, row in enumerate(rows["train"]):
        written = row.to_dict(number)
        roles = [message["role"] for message in written["messages"]]
        step = parse(written["messages"][-1]["content"])
        assert roles == ["system", *["user", "assistant"] * (len(roles) // 2)]
        assert step.mistake is None
        assert (step.thought, step.action or step.answer) == (row.thought, row.step)
        assert len(row.thought.split()) <= 14


def test_the_agents_grammar_accepts_every_first_step(rows: dict[Side, list[Row]]) -> None:
    for row in rows["dev"]:
        if not isinstance(row.conversation[-1], ToolMessage):
            specs = own_words(applicable(tool_specs(), row.conversation), row.conversation)
            rules = LLMatcher.grammar_from_lark(checked_grammar(grammar(specs)))
            matcher, tokens = LLMatcher(BYTES, rules), BYTES.tokenize_str(row.completion())
            assert matcher.try_consume_tokens(tokens) == len(tokens), row.completion()
            assert matcher.is_accepting(), row.completion()


def test_no_slot_and_no_mark_is_left_open(rows: dict[Side, list[Row]]) -> None:
    for row in [*rows["train"], *rows["dev"]]:
        left = re.search(r"\{\{|\}\}|\[(?!\d\])", row.question)
        assert left is None, row.question


def test_the_prompt_is_what_the_agent_sends_without_its_examples() -> None:
    question = "I have rice and beans"
    engine = ScriptedEngine("Thought: fine\nFinal Answer: Hello.", adapters=frozenset({"react"}))
    Session(build_agent(engine, small_index())).ask(question)
    assert engine.sent[0] == prompted([asked(question)])


def test_whatever_the_model_is_called_what_the_adapter_found_is_said_word_for_word() -> None:
    engine = ScriptedEngine(call("recipe_search", '{"query": "soup"}'), adapters=frozenset({"react"}))
    turn = Session(build_agent(engine, small_index())).ask("Soup?")
    assert engine.name != "smollm2-135m"
    assert "[1]\n\nIngredients:\n- " in turn.answer


def test_an_earlier_turn_is_shown_by_its_first_step_alone() -> None:
    turn = [*SOUP, ToolMessage("found", tool_call_id="call"), answered("found", "Soup [1]\nCook it.")]
    assert prompted([*turn, asked("Thanks!")])[1:] == [
        {"role": "user", "content": "Soup?"},
        {
            "role": "assistant",
            "content": 'Thought: a dish\nAction: recipe_search\nAction Input: {"query": "Soup"}',
        },
        {"role": "user", "content": "Thanks!"},
    ]


@pytest.mark.parametrize(
    ("step", "may"),
    [
        (search("soup"), True),
        (search("stew"), False),  # not the user's word
        (Action("summarize", {"source": "message"}), False),  # no text is there
        ("Soup is warm.", True),
    ],
)
def test_a_step_that_the_grammar_refuses_is_no_row(step: Action | str, may: bool) -> None:
    assert permitted(Row((asked("A soup, please"),), "a dish", step, "test", ())) is may


def test_questions_of_the_shipped_cases_are_known_by_their_words() -> None:
    known = set(shipped_questions())
    assert normal("Long noodles dressed with nothing but garlic, oil and a pinch of chilli!") in known
    assert normal("zzz") not in known


def test_the_same_seed_makes_the_same_rows(data: Path) -> None:
    material = load_material(data, "dev")
    first, again, other = (make_rows(material, "dev", seed, share=0.01) for seed in (1, 1, 2))
    assert _written(first) == _written(again)
    assert _written(first) != _written(other)


def _written(rows: list[Row]) -> list[str]:
    return [json.dumps(row.to_dict(number)) for number, row in enumerate(rows)]


def test_a_missing_source_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert main(["--data", str(tmp_path), "--out", str(tmp_path)]) == 1
    path = tmp_path / "recipes/embedded.jsonl"
    assert caplog.messages == [f"There is no file {path}: give the data folder that has it, with --data."]


# ---- the phrasings


@pytest.mark.parametrize("name", FILES)
def test_a_phrasing_stands_once_in_its_file(name: str) -> None:
    assert [line for line, count in Counter(phrasings(name)).items() if count > 1] == []


def test_there_are_many_ways_to_ask() -> None:
    assert {name: len(phrasings(name)) for name in LEAST if len(phrasings(name)) < LEAST[name]} == {}
    summaries = ("summary_before", "summary_after", "summary_file", "summary_recipe")
    assert sum(len(phrasings(name)) for name in summaries) >= 120


@pytest.mark.parametrize("name", DIRECT)
def test_every_question_has_an_answer(name: str) -> None:
    assert [line for line in phrasings(name) if line.count(" | ") != 1] == []
    assert all(answer for _, answer in pairs(name, "train"))


@pytest.mark.parametrize("name", FILES)
def test_a_line_is_on_one_side(name: str) -> None:
    if name not in ("answers", "hostile", "thoughts", "unsure", "thanks"):  # both sides have these
        sides = {line: side_of(line) for line in phrasings(name)}
        assert set(worded(name, "train")) | set(worded(name, "dev")) == set(sides)
        assert set(worded(name, "train")) & set(worded(name, "dev")) == set()


@pytest.mark.parametrize(
    ("line", "text", "query"),
    [
        ("I have [rice], [two eggs] and time", "I have rice, two eggs and time", "rice two eggs"),
        ("How hot must it be?", "How hot must it be?", ""),
    ],
)
def test_marks_say_what_is_searched(line: str, text: str, query: str) -> None:
    assert said_and_sought(line) == (text, query)


@pytest.mark.parametrize(
    ("request_", "query"),
    [
        ("Can I have a creamy fruit salad without kiwi?", "creamy fruit salad without kiwi"),
        ("I want a dish with meat and I don't like vegetables", "meat don't like vegetables"),
        ("What's in it?", ""),
        (" ".join(f"word{n}" for n in range(13)), ""),
    ],
)
def test_a_natural_request_keeps_its_wishes(request_: str, query: str) -> None:
    assert query_of(request_) == query
