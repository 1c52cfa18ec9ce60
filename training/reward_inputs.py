"""What a reward reads: completions as plain texts, and the reference summaries among a data set's columns.

TRL hands over chat messages where the data set holds chats, and names its columns freely; a reward should not
have to mind. Left out: images and tool calls, which summaries do not have.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tools.errors import TrainingError

REFERENCE_COLUMNS = ("summary", "highlights", "reference", "target")


def plain_texts(items: Sequence[Any]) -> list[str]:
    """Prompts or completions as texts: of chat messages what they say, parted by blank lines.

    >>> plain_texts(["an egg", [{"role": "assistant", "content": "two eggs"}]])
    ['an egg', 'two eggs']
    """
    return [
        item if isinstance(item, str) else "\n\n".join(_said(message["content"]) for message in item)
        for item in items
    ]


def references(columns: Mapping[str, Any], name: str = "") -> list[str]:
    """The reference texts: the column of this name, or if none is given the first of REFERENCE_COLUMNS."""
    wanted = (name,) if name else REFERENCE_COLUMNS
    for column in wanted:
        if column in columns:
            return plain_texts(columns[column])
    there = ", ".join(sorted(key for key, value in columns.items() if isinstance(value, list))) or "none"
    raise TrainingError(
        f"The reward compares with a reference, and the data has no column {' or '.join(wanted)} "
        f"(it has: {there}): name the right one in the reward's option reference_column."
    )


def _said(content: Any) -> str:
    """A message's content: a text, nothing, or blocks of which some are texts."""
    if isinstance(content, str):
        return content
    return "".join(block.get("text") or "" for block in content or ())
