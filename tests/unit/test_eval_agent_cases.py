"""Case files of `eval agent`: what is wrong is said with its line, and the file that ships is right."""

import json
from collections import Counter
from pathlib import Path

import pytest

from agent.evaluation.agent_cases import AgentCase, read_cases
from tools.errors import SouschefError

GOOD = {"id": "a", "question": "soup?", "expect": {"route": "recipe_search"}}


def written(folder: Path, *cases: object) -> Path:
    """A file with these cases; a text is a line as it is."""
    path = folder / "cases.jsonl"
    lines = [case if isinstance(case, str) else json.dumps(case) for case in cases]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def expecting(**expect: object) -> dict[str, object]:
    return {**GOOD, "id": "b", "expect": {"route": "recipe_search", **expect}}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"id": "b", "expect": {"route": "direct"}}, 'line 3: "question" is missing.'),
        ({"id": "b", "question": "soup?"}, 'line 3: "expect" is missing.'),
        ({"question": "soup?", "expect": {"route": "direct"}}, 'line 3: "id" is missing.'),
        ({**GOOD, "id": "b", "expect": {}}, 'line 3: "route" is missing in "expect".'),
        (
            expecting(route="search"),
            "line 3: unknown route 'search': it is one of recipe_search, summarize, direct.",
        ),
        (GOOD, "line 3: the id 'a' stands in line 1 as well: give each its own."),
        (expecting(answer=["(soup"]), "line 3: bad regular expression in \"answer\": '(soup'"),
        (expecting(args={"query": "[a"}), "line 3: bad regular expression in \"args\" of 'query': '[a'"),
        (expecting(rout="direct"), "line 3: \"expect\" cannot check 'rout'"),
        (expecting(route="direct", args={"query": "a"}), "line 3: a direct answer has no arguments"),
        (expecting(sources="pdr-1"), 'line 3: "sources" is no list of texts.'),
        ({**GOOD, "id": "b", "question": " "}, 'line 3: "question" is no text, or empty.'),
        ({**GOOD, "id": "b", "history": [1]}, 'line 3: an item of "history" is no text, or empty.'),
        ("{broken", "line 3: not JSON"),
        ("[1]", "line 3: not a JSON object"),
    ],
)
def test_what_is_wrong_with_a_case_is_said_with_its_line(tmp_path: Path, wrong: object, said: str) -> None:
    with pytest.raises(SouschefError) as raised:
        read_cases(written(tmp_path, GOOD, "", wrong))
    assert f"cases.jsonl, {said}" in str(raised.value)


def test_files_that_hold_no_cases_are_named(tmp_path: Path) -> None:
    (tmp_path / "bytes.jsonl").write_bytes(b'{"id": "a"}\n\xff\xfe\n')
    for path, said in (
        (written(tmp_path, "", " "), "is empty: write one case a line"),
        (tmp_path / "none.jsonl", r"no file .*name one that ships \(.*routing.*\)"),
        (tmp_path, "is a folder"),
        (tmp_path / "bytes.jsonl", "line 2: not UTF-8"),
    ):
        with pytest.raises(SouschefError, match=said):
            read_cases(path)


def test_a_case_is_read_with_all_that_it_may_have(tmp_path: Path) -> None:
    whole = {
        "id": "a", "question": "Shorten it.", "file": "Some text", "history": ["Hello"], "note": "kept apart",
        "expect": {"route": "summarize", "args": {"source": "^file$"}, "answer": ["mill"], "sources": ["x"]},
    }  # fmt: skip
    case = read_cases(written(tmp_path, whole))[0]
    assert (case.file, case.history) == ("Some text", ("Hello",))
    assert case.expect.in_words() == "summarize\nsource: /^file$/\nanswer: /mill/\nsource: x"


@pytest.fixture(scope="module")
def shipped() -> list[AgentCase]:
    return read_cases(Path("routing"))


def test_the_shipped_cases_ask_for_every_route_often_enough(shipped: list[AgentCase]) -> None:
    routes = Counter(case.expect.route for case in shipped)
    assert routes["recipe_search"] >= 60
    assert min(routes["summarize"], routes["direct"]) >= 45
    assert len({case.question for case in shipped}) == len(shipped) >= 150


def test_the_shipped_texts_have_the_length_of_texts(shipped: list[AgentCase]) -> None:
    texts = [case.file or case.question for case in shipped if case.expect.route == "summarize"]
    assert all(80 <= len(text.split()) <= 220 for text in texts)
    assert sum(case.file is not None for case in shipped) >= 8
    assert sum(bool(case.history) for case in shipped) >= 10
