"""Rows held out of the training data, and what is recorded of the split."""

import random

import pytest

from tools.errors import TrainingError
from tools.seeds import text_seed
from training.data import Row, check_room, split_record, split_rows, without_articles_of

ROWS = [Row(f"r{n}", f"Article {n}.", f"Summary {n}.") for n in range(40)]


def articles(rows: list[Row]) -> set[str]:
    return {" ".join(row.article.lower().split()) for row in rows}


def test_a_split_gives_every_row_to_one_side() -> None:
    train, held_out = split_rows(ROWS, 10, seed=0)
    assert (len(held_out), sorted(train + held_out, key=ROWS.index)) == (10, ROWS)


def test_a_split_does_not_depend_on_the_order_of_rows() -> None:
    shuffled = random.Random(1).sample(ROWS, len(ROWS))
    assert split_rows(shuffled, 10, seed=0) == split_rows(ROWS, 10, seed=0)


def test_rows_that_are_added_do_not_move_others_into_training() -> None:
    more = ROWS + [Row(f"new{n}", f"News {n}.", "s") for n in range(40)]
    before, after = (set(split_rows(rows, 10, seed=0)[1]) for rows in (ROWS, more))
    old_held_out = after & set(ROWS)
    assert old_held_out < before


def test_another_seed_holds_out_other_rows() -> None:
    assert split_rows(ROWS, 10, seed=0)[1] != split_rows(ROWS, 10, seed=1)[1]


def test_an_article_that_comes_several_times_is_never_on_both_sides() -> None:
    copies = [Row(f"copy{n}", f"  ARTICLE\n{n}. ", "Another summary.") for n in range(40)]
    train, held_out = split_rows(ROWS + copies, 10, seed=0)
    assert (len(held_out), len(train), articles(train) & articles(held_out)) == (10, 60, set())
    assert len(articles(held_out)) == 10


def test_nothing_held_out_leaves_all_rows_to_train_on() -> None:
    train, held_out = split_rows(ROWS, 0, seed=0)
    assert (sorted(train, key=ROWS.index), held_out) == (ROWS, [])


def test_a_split_that_leaves_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(TrainingError) as caught:
        split_rows([*ROWS, ROWS[0]], 40, seed=0)
    assert str(caught.value) == (
        "eval_rows 40 leaves nothing to train on: there are 40 different articles; "
        "lower it or name more data."
    )


def test_articles_of_other_held_out_rows_are_not_trained_on() -> None:
    held_out = [Row("x", "article  3.", "s"), Row("y", "Unknown.", "s")]
    assert without_articles_of(ROWS, held_out) == ROWS[:3] + ROWS[4:]


def test_data_that_is_all_held_out_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"^Every article of data is in eval_data too: name other data"):
        without_articles_of(ROWS, ROWS)


def test_the_record_names_the_held_out_rows() -> None:
    train, held_out = split_rows(ROWS, 3, seed=5)
    record = split_record(train, held_out, 5)
    named = {key: record[key] for key in ("seed", "train_rows", "held_out_rows", "held_out")}
    ids = [row.id for row in held_out]
    assert named == {"seed": 5, "train_rows": 37, "held_out_rows": 3, "held_out": ids}


def test_the_record_tells_other_data_apart_and_knows_the_same_in_another_order() -> None:
    first = split_record(ROWS, ROWS[:2], 0)
    again = split_record(ROWS[::-1], ROWS[:2], 0)
    other = split_record([*ROWS[1:], Row("r0", "Article 0", "Summary 0.")], ROWS[:2], 0)
    assert (again, other["train_sha256"] == first["train_sha256"]) == (first, False)


def test_a_text_has_the_same_seed_on_every_machine() -> None:
    assert [text_seed(0, "soup"), text_seed(1, "soup"), text_seed(0, "\ud800")] == [
        6600523354603484632,
        9571718726884863265,
        6319551553148756532,
    ]


def test_prompts_and_answers_that_fill_the_context_are_fine() -> None:
    check_room(896, 128, 1024, "gpt2-cnn")


def test_prompts_and_answers_beyond_the_context_are_refused_with_the_numbers() -> None:
    with pytest.raises(TrainingError) as caught:
        check_room(897, 128, 1024, "gpt2-cnn")
    assert str(caught.value) == (
        "max_prompt_tokens 897 and max_new_tokens 128 make 1025 tokens, and gpt2-cnn reads 1024 at most: "
        "lower one of them."
    )
