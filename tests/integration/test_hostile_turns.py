"""A few turns of tests/benchmarks/hostile_turns.py: the embedded model under attack, judged from outside."""

import pytest
from hostile_questions import Question, conversations
from turn_audit import Auditor

from agent.engines import load_engine
from tools.index import embedded_index

SLOW = ("paste", "file")  # minutes of summaries; the benchmark has them


@pytest.mark.long
@pytest.mark.timeout(600)
def test_hostile_questions_break_nothing() -> None:
    asked = [question for talk in conversations(1, 30) for question in talk if question.kind not in SLOW][:20]
    engine = load_engine()
    auditor = Auditor(engine, embedded_index(), max_tokens=64, time_limit_s=120)
    verdicts = [verdict for talk in _by_threes(asked) for verdict in auditor.converse(talk)]
    engine.close()
    assert [(verdict.question, verdict.faults) for verdict in verdicts if verdict.faults] == []
    assert len(verdicts) == 20
    assert {verdict.route for verdict in verdicts} >= {"direct", "recipe_search"}


def _by_threes(questions: list[Question]) -> list[list[Question]]:
    return [questions[start : start + 3] for start in range(0, len(questions), 3)]
