"""What engines share and no model is needed for: stop strings, folding, grammars, the context window."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engines.base import Message
from agent.engines.grammar import checked_grammar
from agent.engines.templates import TemplateRefused, fold_system, join_contents, keeps_system
from agent.engines.text import StopFilter, checked_context, checked_prompt_length
from tools.errors import SouschefError, UsageError

SYSTEM: Message = {"role": "system", "content": "Be brief."}
HELLO: Message = {"role": "user", "content": "Hello"}
YES: Message = {"role": "assistant", "content": "Yes?"}


def filtered(pieces: Sequence[str], *stops: str) -> str:
    stop_filter = StopFilter(stops)
    return "".join([*(stop_filter.feed(piece) for piece in pieces), stop_filter.flush()])


@given(st.lists(st.text("abc", max_size=4), max_size=12), st.text("abc", min_size=1, max_size=4))
def test_text_ends_where_the_stop_string_begins_however_it_is_cut_into_pieces(
    pieces: list[str], stop: str
) -> None:
    assert filtered(pieces, stop) == "".join(pieces).split(stop)[0]


@given(st.lists(st.text("abc", max_size=4), max_size=12), st.lists(st.text("abc", max_size=3), max_size=3))
def test_no_stop_string_ever_shows(pieces: list[str], stops: list[str]) -> None:
    shown = filtered(pieces, *stops)
    assert "".join(pieces).startswith(shown)
    assert not any(stop in shown for stop in stops if stop)


def test_text_that_cannot_begin_a_stop_string_is_let_through_at_once() -> None:
    stop_filter = StopFilter(["\nObservation:"])
    assert [stop_filter.feed("Beat two eggs.\n"), stop_filter.feed("Obey")] == ["Beat two eggs.", "\nObey"]


def test_system_text_is_folded_into_the_first_user_turn_and_roles_keep_their_order() -> None:
    folded = fold_system([SYSTEM, HELLO, YES, HELLO])
    assert folded == [{"role": "user", "content": "Be brief.\n\nHello"}, YES, HELLO]


def test_system_text_becomes_a_user_turn_where_none_comes_first() -> None:
    assert fold_system([SYSTEM, YES]) == [{"role": "user", "content": "Be brief."}, YES]
    assert fold_system([HELLO, YES]) == [HELLO, YES]


def test_a_template_that_refuses_system_messages_is_seen_not_to_keep_them() -> None:
    def refuses(messages: Sequence[Message]) -> str:
        raise TemplateRefused(f"Conversation roles must alternate, not start with {messages[0]['role']}")

    assert keeps_system(join_contents)
    assert not keeps_system(refuses)


@pytest.mark.parametrize("grammar", ["start: ((", "start: missing", '%llguidance {\nstart: "a"'])
def test_a_faulty_grammar_is_refused_before_an_engine_sees_it(grammar: str) -> None:
    with pytest.raises(ValueError, match="Not a grammar that llguidance accepts"):
        checked_grammar(grammar)


def test_a_grammar_gets_the_line_that_llama_cpp_knows_it_by_once() -> None:
    headed = '%llguidance {}\nstart: "yes" | "no"'
    assert checked_grammar('start: "yes" | "no"') == headed
    assert checked_grammar(headed) == headed


def test_a_prompt_that_fills_the_context_is_refused_with_both_numbers() -> None:
    checked_prompt_length(4095, 4096)
    with pytest.raises(SouschefError, match=r"too long: 4096 tokens, and this model reads 4096"):
        checked_prompt_length(4096, 4096)


def test_a_context_larger_than_the_model_was_trained_for_is_refused() -> None:
    assert checked_context(None, 2048, "m") == 2048
    assert checked_context(8000, 8192, "m") == 8000
    with pytest.raises(UsageError, match="m reads at most 2048 tokens"):
        checked_context(4096, 2048, "m")
