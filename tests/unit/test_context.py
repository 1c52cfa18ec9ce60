"""What of a conversation is sent: as much as fits, the present before the past."""

import pytest
from scripted import ScriptedEngine

from agent.context import MIN_OBSERVATION_CHARACTERS, fit
from agent.engines.base import Message
from tools.errors import SouschefError

COUNT = ScriptedEngine("").count_tokens
HEAD: list[Message] = [{"role": "system", "content": "be brief"}]  # 3 tokens


def turn(number: int) -> list[Message]:
    """Six tokens."""
    return [
        {"role": "user", "content": f"question {number}"},
        {"role": "assistant", "content": f"answer {number}"},
    ]


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


TURNS = [turn(1), turn(2), [user("question 3")]]


def test_everything_is_sent_where_it_fits() -> None:
    assert fit(TURNS, HEAD, COUNT, 18) == [*HEAD, *turn(1), *turn(2), user("question 3")]


def test_the_oldest_turn_goes_first_and_whole() -> None:
    assert fit(TURNS, HEAD, COUNT, 17) == [*HEAD, *turn(2), user("question 3")]


def test_the_head_and_the_last_turn_always_stay() -> None:
    assert fit(TURNS, HEAD, COUNT, 6) == [*HEAD, user("question 3")]


def test_no_older_turn_is_kept_behind_one_that_was_dropped() -> None:
    long = [user("word " * 50), assistant("yes")]
    assert fit([turn(1), long, [user("now")]], HEAD, COUNT, 30) == [*HEAD, user("now")]


def test_the_longest_observation_loses_its_first_half_once_no_older_turn_is_left() -> None:
    short, long = "Observation: " + "short " * 90, "Observation: " + "long " * 200
    present = [user("question"), assistant("act"), user(short), assistant("act"), user(long)]
    sent = fit([turn(1), present], HEAD, COUNT, 250)
    assert sent == [*HEAD, *present[:4], user("Observation: [...] " + long[len(long) // 2 :])]


def test_what_the_model_wrote_is_never_cut() -> None:
    present = [user("question"), assistant("word " * 300)]
    with pytest.raises(SouschefError):
        fit([present], HEAD, COUNT, 250)


@pytest.mark.parametrize("observation", ["", "Observation: " + "x" * (MIN_OBSERVATION_CHARACTERS - 20)])
def test_a_question_that_does_not_fit_is_refused_with_the_way_out(observation: str) -> None:
    present = [user("word " * 100), *([assistant("act"), user(observation)] if observation else [])]
    with pytest.raises(SouschefError, match=r"longer than the model's context of 50 tokens: shorten it"):
        fit([turn(1), present], HEAD, COUNT, 50)
