"""Loops are noticed, and no recipe is taken for one."""

import pytest

from agent.loops import is_looping


def cut_short(text: str, step: int = 8) -> bool:
    return any(is_looping(text[:end]) for end in range(0, len(text) + step, step))


@pytest.mark.parametrize(
    "text",
    [
        "No, no, " + "no, " * 20,
        "Numbers: " + "".join(f"- {n}. \n" for n in range(30)),
        "A list. " + "1½ cups chocolate; " * 6,
        "Well. " + "This is a classic example of a question with one answer only. " * 3,
        "P.S. I will help.\n\n" + "P.S. I'll be happy to help with any baking or cooking questions.\n\n" * 3,
    ],
)
def test_what_small_models_do_is_noticed(text: str) -> None:
    assert cut_short(text)


def test_a_long_sentence_said_three_times_with_others_between_is_noticed() -> None:
    sentence = "The capital of the country is a large city with many fine old buildings. "
    assert cut_short(f"{sentence}But wait. {sentence}Let me say more. {sentence}So there.")


def test_rules_of_dashes_are_no_loop() -> None:
    assert not cut_short("Title\n" + "-" * 120)
