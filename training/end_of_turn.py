"""The token that ends an assistant's turn: what SFT teaches to write, and what ends a rollout."""

from typing import Any


def end_of_turn(tokenizer: Any) -> int:
    """The token with which a chat template ends the assistant's turn, or else the one that ends a text."""
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "yy"}]
    text = str(tokenizer.apply_chat_template(turns, tokenize=False))
    after = tokenizer(text[text.rindex("yy") + 2 :], add_special_tokens=False, verbose=False).input_ids
    marks = set(tokenizer.get_added_vocab().values())
    return int(next((token for token in after if token in marks), tokenizer.eos_token_id))
