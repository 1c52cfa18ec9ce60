"""Long texts in short: the head, the tail and a count of the words stand for the whole.

A model of 4,096 tokens cannot read an article of 5,000 words, and need not: tools refer to it by name
(`source: "message"`). Characters count as well as words: Chinese has no spaces, and a log has few. What this
leaves out is any judgement of what matters in a text; summarize does that.
"""

FOLD_OVER_WORDS = 150
FOLD_OVER_CHARACTERS = 1200
_HEAD_WORDS, _HEAD_CHARACTERS = 50, 400
_TAIL_WORDS, _TAIL_CHARACTERS = 30, 240


def is_long(text: str) -> bool:
    """Whether a text is folded in prompts, and what "the message" means when a tool asks for one."""
    words = text.split()
    return len(words) > FOLD_OVER_WORDS or len(" ".join(words)) > FOLD_OVER_CHARACTERS


def fold(text: str, label: str) -> str:
    """The text itself where it is short, else its head and tail around a note of what is left out.

    >>> fold("one two", "message")
    'one two'
    >>> fold("w " * 200, "message").count("w")
    82
    """
    if not is_long(text):
        return text
    words = text.split()
    head = " ".join(words[:_HEAD_WORDS])[:_HEAD_CHARACTERS]
    tail = " ".join(words[-_TAIL_WORDS:])[-_TAIL_CHARACTERS:]
    size = f"{len(words):,} words" if len(words) > FOLD_OVER_WORDS else f"{len(text):,} characters"
    return f"{head} [... the whole {label} has {size}: summarize can read it ...] {tail}"
