"""Long texts in short: the head, the tail and a word count stand for the whole.

A model of 4,096 tokens cannot read an article of 5,000 words, and need not: tools refer to it by name
(`source: "message"`). What this leaves out is any judgement of what matters in a text; summarize does that.
"""

FOLD_OVER_WORDS = 150
_HEAD_WORDS = 50
_TAIL_WORDS = 30


def is_long(text: str) -> bool:
    """Whether a text is folded in prompts, and what "the message" means when a tool asks for one."""
    return len(text.split(maxsplit=FOLD_OVER_WORDS)) > FOLD_OVER_WORDS


def fold(text: str, label: str) -> str:
    """The text itself where it is short, else its head and tail around a note of what is left out.

    >>> fold("one two", "message")
    'one two'
    >>> fold("w " * 200, "message").count("w")
    81
    """
    words = text.split()
    if len(words) <= FOLD_OVER_WORDS:
        return text
    head, tail = " ".join(words[:_HEAD_WORDS]), " ".join(words[-_TAIL_WORDS:])
    return f"{head} [... the whole {label} has {len(words):,} words: summarize can read it ...] {tail}"
