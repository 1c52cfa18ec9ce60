"""The one grammar dialect that every local engine obeys: llguidance's Lark.

llama.cpp takes such a grammar when its text opens with a `%llguidance` line, and drops a faulty one without
a word, so it is checked here before any engine sees it. A faulty grammar is the programmer's mistake, and so
a ValueError.
"""

import re
from functools import lru_cache

_HEADER = "%llguidance {}"
_START = re.compile(r"^start: (.*)$", re.MULTILINE)


@lru_cache(maxsize=64)
def checked_grammar(grammar: str) -> str:
    """The grammar with its `%llguidance` line; ValueError where llguidance does not accept it.

    >>> checked_grammar('start: "yes" | "no"')
    '%llguidance {}\\nstart: "yes" | "no"'
    """
    from llguidance import LLMatcher

    headed = grammar if grammar.startswith("%llguidance") else f"{_HEADER}\n{grammar}"
    faulty, problems = LLMatcher.validate_grammar_with_warnings(LLMatcher.grammar_from_lark(headed))
    if faulty:
        raise ValueError(f"Not a grammar that llguidance accepts: {problems[0]}")
    return headed


def ending_with(grammar: str, token: int | None) -> str:
    """The grammar with a token that may end its text.

    llama.cpp tells llguidance of one end token, and guesses by names which of several it is; where it guesses
    wrong, a model could never end a text of free length.

    >>> ending_with('start: "yes" | "no"', 2)
    'start: ("yes" | "no") <[2]>?'
    """
    return grammar if token is None else _START.sub(rf"start: (\1) <[{token}]>?", grammar)
