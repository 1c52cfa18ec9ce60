"""The agent's grammar over a real vocabulary: whatever a model writes, llguidance can follow it."""

from typing import Any

import pytest

from agent.react import ToolSpec, grammar
from training.base_models import base_path, load_tokenizer

WORDS = [
    f"{stem}{end}" for stem in ("car", "cart", "carrot", "te", "ten", "tender") for end in ("s", "ed", "ing")
]
QUERY = {"type": "string", "maxLength": 120, "pattern": "^({0})( ({0})){{0,11}}$".format("|".join(WORDS))}
SEARCH = ToolSpec(
    "recipe_search", "", {"type": "object", "properties": {"query": QUERY}, "required": ["query"]}
)
SAID = ("recipes are needed: the user names a dish",)


@pytest.fixture(scope="module")
def tokenizers() -> tuple[Any, Any]:
    from llguidance.hf import from_tokenizer

    tokenizer = load_tokenizer(base_path("smollm2-135m"))
    return tokenizer, from_tokenizer(tokenizer)


@pytest.mark.parametrize("brief", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        'Thought: "Thought of the Action and Final Answer',
        "Thought: Action Input of Observation Thought Thought Thought",
        "Thought: recipes are needed: a Thought Action\nAction: recipe_search\nAction Input: ",
        'Thought: a\nAction: recipe_search\nAction Input: {"query": "' + " ".join(WORDS[:11]),
        "Thought: a\nFinal Answer: Thought\nthe Action\n  Action Input\n Observation of Thought",
    ],
)
def test_a_step_is_followed_to_its_end(tokenizers: tuple[Any, Any], text: str, brief: bool) -> None:
    import llguidance.numpy as masks
    from llguidance import LLMatcher

    tokenizer, known = tokenizers
    matcher = LLMatcher(known, grammar([SEARCH], said=SAID, brief=brief), log_level=0)
    mask = masks.allocate_token_bitmask(1, known.vocab_size)
    for token in tokenizer(text).input_ids:
        masks.fill_next_token_bitmask(matcher, mask, 0)
        assert matcher.consume_token(token), matcher.get_error()
    masks.fill_next_token_bitmask(matcher, mask, 0)
    assert not matcher.get_error()
