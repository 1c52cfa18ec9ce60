"""Rewards: what each says of known texts, how a config names them, and what is caught of the user's own."""

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tools.errors import TrainingError
from tools.text_metrics import ROUGE_KINDS
from training.config import RewardSpec
from training.rewards import (
    READY_MADE,
    CombinedReward,
    Part,
    Reward,
    build_rewards,
    length_penalty,
    repetition_penalty,
    rouge1,
)

PROMPTS = ["Summarize: a", "Summarize: b"]
SUMMARIES = ["fry the ham", "boil two eggs"]
LIGHT = [  # those of ROUGE are tested in tests/integration, whose imports may take seconds
    name for name, reward in READY_MADE.items() if not isinstance(reward, type) and name not in ROUGE_KINDS
]

WriteModule = Callable[[str, str], None]


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteModule:
    """Puts a module of the user's own into the current folder, and forgets it after the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])

    def write(name: str, source: str) -> None:
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        monkeypatch.setitem(sys.modules, name, None)  # so that its end of the test takes it out again
        monkeypatch.delitem(sys.modules, name)

    return write


def built(name: str, weight: float = 1.0, **options: Any) -> CombinedReward:
    return build_rewards([RewardSpec(name, weight, options)])


def summed(*rewards: Reward) -> CombinedReward:
    return CombinedReward([Part(f"r{n}", 1.0, reward) for n, reward in enumerate(rewards)])


def returning(value: Any) -> CombinedReward:
    return CombinedReward([Part("mine", 1.0, lambda **_: value)])


# ---- what each says


def test_rouge_without_a_reference_column_names_those_there_are() -> None:
    with pytest.raises(TrainingError, match=r"no column summary or .* \(it has: article, id\)"):
        rouge1(["p"], ["ham"], article=["a"], id=["1"], trainer_state=object())


def test_length_costs_in_lengths_of_the_target() -> None:
    texts = ["one two three four", "one two", "one two three four five six", ""]
    assert length_penalty(PROMPTS, texts, target_words=4) == [0.0, -0.5, -0.5, -1.0]
    assert length_penalty(PROMPTS, texts, target_words=4, tolerance_words=1) == [0.0, -0.25, -0.25, -0.75]
    assert length_penalty(PROMPTS, texts, target_words=4, shorter_is_fine=True) == [0.0, 0.0, -0.5, 0.0]


def test_repetition_costs_its_share() -> None:
    texts = ["stir and stir and stir and stir", "stir and wait"]
    assert repetition_penalty(PROMPTS, texts) == [pytest.approx(-3 / 5), 0.0]
    assert repetition_penalty(PROMPTS, texts, n=1) == [pytest.approx(-5 / 7), 0.0]


@pytest.mark.parametrize("name", LIGHT)
def test_an_empty_completion_gets_a_number(name: str) -> None:
    options = {"target_words": 60} if name == "length_penalty" else {}
    scores = built(name, **options)(PROMPTS, ["", "  "], summary=SUMMARIES)
    assert len(scores) == 2
    assert all(math.isfinite(score) and score <= 0 for score in scores)


@pytest.mark.parametrize("name", LIGHT)
def test_a_chat_completion_counts_as_its_text(name: str) -> None:
    options = {"target_words": 60} if name == "length_penalty" else {}
    texts = ["fry the ham and fry the ham", "boil ham"]
    chats = [[{"role": "assistant", "content": text}] for text in texts]
    reward: Reward = READY_MADE[name]
    assert reward(PROMPTS, chats, summary=SUMMARIES, **options) == reward(
        PROMPTS, texts, summary=SUMMARIES, **options
    )


# ---- sums


def test_the_same_reward_twice_gets_two_names() -> None:
    specs = [RewardSpec("length_penalty", 1.0, {"target_words": words}) for words in (1, 2, 4)]
    reward = build_rewards(specs)
    assert reward(["p"], ["one two"]) == [-1.0 + 0.0 - 0.5]
    assert reward.parts == {"length_penalty": [-1.0], "length_penalty_2": [0.0], "length_penalty_3": [-0.5]}


def test_parts_are_of_the_last_call() -> None:
    reward = summed(lambda completions, **_: [float(len(text)) for text in completions])
    reward(["p"], ["four"])
    assert reward(["p", "q"], ["a", ""]) == [1.0, 0.0]
    assert reward.parts == {"r0": [1.0, 0.0]}


def test_parts_get_texts_columns_and_what_trl_adds() -> None:
    seen: dict[str, Any] = {}
    reward = summed(lambda **given: seen.update(given) or [0.0])
    chat = [{"role": "user", "content": "Summarize."}]
    reward([chat], [[{"role": "assistant", "content": "Ham."}]], article=["Ham!"], trainer_state="state")
    assert seen == {
        "prompts": ["Summarize."], "completions": ["Ham."], "article": ["Ham!"], "trainer_state": "state",
    }  # fmt: skip


def test_numbers_of_any_kind_become_floats() -> None:
    assert returning(np.array([1, 2], dtype=np.float32))(PROMPTS, SUMMARIES) == [1.0, 2.0]
    assert returning((1, True))(PROMPTS, SUMMARIES) == [1.0, 1.0]


# ---- what a config says wrong


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("ruoge1", {}, "There is no reward 'ruoge1': did you mean 'rouge1'?"),
        ("length_penalty", {"target_word": 60}, "no option 'target_word': did you mean 'target_words'?"),
        ("length_penalty", {}, "needs the option 'target_words'"),
        ("length_penalty", {"target_words": "60"}, "is '60': it must be a whole number"),
        ("length_penalty", {"target_words": True}, "is True: it must be a whole number"),
        ("classifier", {"score": "logits"}, "is 'logits': choose 'logit' or 'probability'"),
        ("classifier", {"lable": "hate"}, "did you mean 'label'?"),
        ("reward_model", {}, "needs the option 'model'"),
    ],
)
def test_a_wrong_name_or_option_is_answered_with_the_right_one(
    name: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(TrainingError) as caught:
        built(name, **options)
    assert said in str(caught.value)


def test_a_weight_must_be_finite() -> None:
    with pytest.raises(TrainingError, match="weight of the reward 'rouge1' is nan"):
        built("rouge1", math.nan)


@pytest.mark.parametrize(
    ("name", "options"), [("length_penalty", {"target_words": 0}), ("repetition_penalty", {"n": 0})]
)
def test_an_option_out_of_range_is_said(name: str, options: dict[str, int]) -> None:
    with pytest.raises(TrainingError, match=r"at least 1|above 0"):
        built(name, **options)(["p"], ["text"])


# ---- one's own


def test_a_function_in_the_current_folder_is_a_reward(write_module: WriteModule) -> None:
    write_module(
        "my_rewards", "def short(prompts, completions, **columns): return [-len(c) for c in completions]"
    )
    reward = built("my_rewards:short", 0.5)
    assert reward(["p"], ["four"], article=["a"]) == [-2.0]
    assert reward.parts == {"my_rewards:short": [-4.0]}


def test_ones_own_takes_options_and_they_win_over_columns(write_module: WriteModule) -> None:
    source = "def said(prompts, completions, *, word: str = 'ham', **columns): "
    write_module("own_options", source + "return [c.count(word) for c in completions]")
    assert built("own_options:said", word="egg")(["p"], ["egg ham egg"], word=["soup"]) == [2.0]
    with pytest.raises(TrainingError, match="no option 'wrd': did you mean 'word'"):
        built("own_options:said", wrd="egg")


def test_a_class_of_ones_own_is_made_once_with_its_options(write_module: WriteModule) -> None:
    source = "class Fixed:\n def __init__(self, value: float = 0.0): self.value = value\n"
    write_module("own_class", source + " def __call__(self, prompts, completions, **_): return [self.value]")
    assert built("own_class:Fixed", value=3)(["p"], ["text"]) == [3.0]


@pytest.mark.parametrize(
    ("source", "name", "said"),
    [
        ("", "no_such_module:f", "no module 'no_such_module' .* start where no_such_module.py lies"),
        ("def shorter(**_): ...", "broken:short", "no function 'short': did you mean 'shorter'"),
        ("", "broken:short", "no function 'short': it has no function at all"),
        ("import no_such_thing", "broken:f", "failed with ModuleNotFoundError.*broken.py, line 1"),
        ("x = 1\n1 / 0", "broken:f", r"failed with ZeroDivisionError.*broken.py, line 2"),
        ("def f(: pass", "broken:f", r"failed with SyntaxError.* \(in broken.py, line 1\): correct"),
        ("def f(prompts, completions): ...", "broken:f", r"def f\(prompts, completions, \*\*columns\)"),
        ("async def f(**_): ...", "broken:f", r"def f\(prompts, completions, \*\*columns\)"),
    ],
)
def test_ones_own_that_cannot_be_used_is_said_before_the_run(
    write_module: WriteModule, source: str, name: str, said: str
) -> None:
    write_module("broken", source)
    with pytest.raises(TrainingError, match=said):
        built(name)


# ---- what comes back


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([1.0], "The reward 'mine' returned 1 numbers for 2 completions"),
        ([1.0, math.nan], "gave no finite number for 1 of 2 completions (the first is number 2, with nan)"),
        ([math.inf, None], "gave no finite number for 2 of 2 completions (the first is number 1, with inf)"),
        ([0.5, "0.5"], "for 1 of 2 completions (the first is number 2, with '0.5')"),
        ([0.5, [0.5]], "for 1 of 2 completions (the first is number 2, with [0.5])"),
        (0.5, "The reward 'mine' returned a float: let it return a list"),
        (None, "The reward 'mine' returned a NoneType: let it return a list"),
    ],
)
def test_what_is_not_one_finite_number_each_is_refused(value: Any, said: str) -> None:
    with pytest.raises(TrainingError) as caught:
        returning(value)(PROMPTS, SUMMARIES)
    assert said in str(caught.value)


def test_an_exception_in_a_reward_is_one_sentence_with_its_place() -> None:
    def broken(**_: Any) -> list[float]:
        raise KeyError("no\nsuch")

    with pytest.raises(TrainingError) as caught:
        CombinedReward([Part("mine", 1.0, broken)])(PROMPTS, SUMMARIES)
    line = broken.__code__.co_firstlineno + 1
    assert str(caught.value) == (
        rf"The reward 'mine' failed with KeyError: 'no\nsuch' (in test_rewards.py, line {line}): "
        "correct the reward, then start again."
    )
    assert isinstance(caught.value.__cause__, KeyError)


def test_ctrl_c_in_a_reward_stays_ctrl_c() -> None:
    def interrupted(**_: Any) -> list[float]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        summed(interrupted)(PROMPTS, SUMMARIES)
