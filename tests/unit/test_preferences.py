"""Preferences out of files: pairs as they are, rankings as pairs, and what is wrong said by file and line."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tools.errors import TrainingError
from training.preferences import Pair, load_pairs, split_pairs


def file_of(path: Path, *rows: Any) -> str:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return str(path)


def test_a_pair_is_read_as_it_stands(tmp_path: Path) -> None:
    row = {"prompt": "Eggs?", "chosen": " Yes.", "rejected": " No.", "id": 7}
    assert load_pairs([file_of(tmp_path / "pairs.jsonl", row)]) == [Pair("Eggs?", " Yes.", " No.")]


def test_files_follow_one_another_and_may_be_packed(tmp_path: Path) -> None:
    first = file_of(tmp_path / "a.jsonl", {"prompt": "1", "chosen": "x", "rejected": "y"})
    packed = tmp_path / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(b'{"prompt": "2", "chosen": "x", "rejected": "y"}\n\n'))
    assert [pair.prompt for pair in load_pairs([first, str(packed)])] == ["1", "2"]


def test_a_ranking_makes_a_pair_of_every_two_answers(tmp_path: Path) -> None:
    row = {"prompt": "p", "answers": ["good", "bad", "best"], "ranks": [2, 3, 1]}
    assert load_pairs([file_of(tmp_path / "r.jsonl", row)]) == [
        Pair("p", "good", "bad"),
        Pair("p", "best", "good"),
        Pair("p", "best", "bad"),
    ]


def test_the_highest_score_is_the_best_answer(tmp_path: Path) -> None:
    row = {"prompt": "p", "answers": ["good", "bad"], "scores": [0.5, -1]}
    assert load_pairs([file_of(tmp_path / "r.jsonl", row)]) == [Pair("p", "good", "bad")]


def test_answers_that_are_tied_or_equal_make_no_pair(tmp_path: Path) -> None:
    tied = {"prompt": "p", "answers": ["a", "b", "c"], "ranks": [1, 1, 2]}
    equal = {"prompt": "q", "answers": ["a", "a"], "ranks": [1, 2]}
    assert load_pairs([file_of(tmp_path / "r.jsonl", tied, equal)]) == [
        Pair("p", "a", "c"),
        Pair("p", "b", "c"),
    ]


GOOD = {"prompt": "p", "chosen": "a", "rejected": "b"}
RANKED = {"prompt": "p", "answers": ["a", "b"]}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"chosen": "a", "rejected": "b"}, "line 2 has no prompt: it must be a text"),
        ({**GOOD, "prompt": 3}, "line 2 has a int as prompt: it must be a text"),
        ({"prompt": "p", "chosen": "a"}, "line 2 has no rejected: it must be a text"),
        ({"prompt": "p"}, "line 2 has neither chosen and rejected nor answers"),
        ({**GOOD, "rejected": "a"}, "line 2 has the same text as chosen and rejected"),
        (["p", "a", "b"], "line 2 is not a JSON object"),
        ({**RANKED, "answers": "a"}, "line 2: answers must be a list of texts"),
        (RANKED, "line 2: answers need either ranks"),
        ({**RANKED, "ranks": [1, 2], "scores": [1, 2]}, "line 2: answers need either ranks"),
        ({**RANKED, "ranks": [1]}, "line 2 has 2 answers and 1 ranks: give one for each"),
        ({**RANKED, "scores": [1, None]}, "line 2: scores must be a list of numbers"),
        ({**RANKED, "scores": [1, float("nan")]}, "line 2: scores must be a list of numbers"),
        ({**RANKED, "ranks": [True, False]}, "line 2: ranks must be a list of numbers"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, row: Any, said: str) -> None:
    with pytest.raises(TrainingError, match=rf"pairs\.jsonl, {said}"):
        load_pairs([file_of(tmp_path / "pairs.jsonl", GOOD, row)])


def test_a_line_that_is_not_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n{{'prompt'\n", encoding="utf-8")
    with pytest.raises(TrainingError, match=r"pairs\.jsonl, line 2 is not JSON"):
        load_pairs([str(path)])


def test_without_a_file_or_a_preference_there_is_nothing_to_learn(tmp_path: Path) -> None:
    tied = file_of(tmp_path / "tied.jsonl", {**RANKED, "ranks": [1, 1]})
    with pytest.raises(TrainingError, match="No data is named"):
        load_pairs([])
    with pytest.raises(TrainingError, match="There is no file"):
        load_pairs([str(tmp_path / "nowhere.jsonl")])
    with pytest.raises(TrainingError, match="states no preference"):
        load_pairs([tied])


def test_a_file_that_is_no_whole_gzip_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(GOOD).encode() * 100)[:-20])
    with pytest.raises(TrainingError, match=r"pairs\.jsonl\.gz cannot be read"):
        load_pairs([str(path)])


PAIRS = [Pair(f"prompt {n // 3}", f"good {n}", f"bad {n}") for n in range(30)]


def test_no_prompt_is_on_both_sides_of_a_split() -> None:
    train, held_out = split_pairs(PAIRS, 4, seed=0)
    assert {pair.prompt for pair in train} & {pair.prompt for pair in held_out} == set()
    assert sorted([*train, *held_out], key=lambda pair: pair.chosen) == sorted(PAIRS, key=lambda p: p.chosen)
    assert len(held_out) == 6  # two prompts with three pairs each


def test_a_split_follows_its_seed_and_not_the_order_of_rows() -> None:
    held_out = {seed: {p.prompt for p in split_pairs(PAIRS, 3, seed)[1]} for seed in range(5)}
    again = {p.prompt for p in split_pairs(PAIRS[::-1], 3, 0)[1]}
    assert held_out[0] == again
    assert len({frozenset(prompts) for prompts in held_out.values()}) > 1


def test_a_split_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(TrainingError, match="eval_rows 30 leaves nothing to train on: there are 30 pairs"):
        split_pairs(PAIRS, 30, seed=0)
