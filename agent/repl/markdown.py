"""Markdown as it streams: each word is drawn once, when it is whole, and never moved again.

rich's Markdown draws a whole text, so an answer that grows would have to be drawn over again and again, which
breaks when the terminal is resized in mid-answer or the answer is taller than the screen. This draws
headings, lists with a hanging indent, code and bold word by word, and asks for the width at every word. Left
out: tables, links and italics, which are shown as they were written (in recipes a lone * is a footnote).
"""

import re
from collections.abc import Callable, Iterator

from rich.cells import cell_len, chop_cells

Draw = Callable[[str, str], None]  # (text, style)

_TOKEN = re.compile(r"\n|[^\S\n]+|[^\s]+")
_NUMBERED = re.compile(r"\d{1,3}[.)]")
_MARKS = re.compile(r"(\*\*|`)")
_ENDS_A_SENTENCE = (".", "!", "?", ",", ";", ":")
_LONGEST_WORD = 24  # cells; more is drawn before it is whole, as in Chinese, which has no spaces
_LONGEST_TITLE = 70
_WIDEST = 100  # columns; longer lines are hard to read


class MarkdownStream:
    """Takes pieces of a text and draws them; `finish` draws what is left."""

    def __init__(self, draw: Draw, width: Callable[[], int]) -> None:
        self._draw, self._width = draw, width
        self._pending = ""
        self._column = self._indent = 0
        self._line_begins, self._opening = True, True
        self._code = self._bold = self._literal = False
        self._line_style = ""
        self._gap = ""

    def feed(self, text: str) -> None:
        """Draw what is whole of the text so far."""
        self._pending += text
        if self._opening and not self._title():
            return
        tokens = _TOKEN.findall(self._pending)
        last = tokens.pop() if tokens and self._pending[-1] != "\n" else ""
        if cell_len(last) > _LONGEST_WORD:
            tokens, last = [*tokens, last], ""
        self._pending = last
        self._take(tokens)

    def finish(self) -> None:
        """Draw the rest; the cursor stands at the beginning of a line afterwards."""
        self._opening = False
        tokens, self._pending = _TOKEN.findall(self._pending), ""
        self._take(tokens)
        if self._column:
            self._new_line()

    def _title(self) -> bool:
        """Whether it is known if the text begins with a title: a short line with a blank one below."""
        line, *below = self._pending.split("\n")
        if not below and len(line) <= _LONGEST_TITLE:
            return False
        if below == [""]:
            return False  # one line break so far: a second one would make it a title
        self._opening = False
        is_short = len(line) <= _LONGEST_TITLE and not line.endswith(_ENDS_A_SENTENCE)
        if below and not below[0].strip() and is_short:
            self._line_style = "bold"
        return True

    def _take(self, tokens: list[str]) -> None:
        for token, following in zip(tokens, [*tokens[1:], self._pending], strict=False):
            if token == "\n":
                self._new_line()
            elif self._code and not token.startswith("```"):
                self._put(token, "cyan", verbatim=True)
            elif token.isspace():
                self._space(token)
            elif self._line_begins:
                self._begin_line(token, following)
            else:
                self._word(token)

    def _begin_line(self, token: str, following: str) -> None:
        self._line_begins = False
        if token.startswith("```"):
            self._code = not self._code
            self._line_style = "dim"
            self._put(token, "dim")
        elif re.fullmatch(r"#{1,6}", token):
            self._line_style, self._line_begins = "bold", True
        elif token in ("-", "*", "+"):
            self._put("•", "")
            self._indent = self._column + 1
        elif _NUMBERED.fullmatch(token):
            self._put(token, "bold")
            self._indent = self._column + 1
        elif token == ">":
            self._put("│", "dim")
            self._indent, self._line_style = self._column + 1, "dim"
        else:
            if token.endswith(":") and following == "\n":
                self._line_style = "bold"
            self._word(token)

    def _space(self, token: str) -> None:
        if not self._line_begins:
            self._gap = " "
        elif self._line_style != "bold":
            self._gap = token.replace("\t", "    ")

    def _word(self, token: str) -> None:
        """A word, whose marks switch styles on and off."""
        parts = [part for part in _MARKS.split(token) if part]
        drawn = [(part, self._style()) for part in parts if not self._switches(part)]
        self._put_parts([(part, style) for part, style in drawn if part])

    def _switches(self, mark: str) -> bool:
        if mark == "`":
            self._literal = not self._literal
        elif self._literal or mark != "**":
            return False
        else:
            self._bold = not self._bold
        return True

    def _style(self) -> str:
        styles = [
            self._line_style,
            "bold" if self._bold else "",
            "cyan" if self._literal else "",
        ]
        return " ".join(dict.fromkeys(filter(None, styles)))

    def _put(self, text: str, style: str, *, verbatim: bool = False) -> None:
        if verbatim:
            self._draw(text, style)
            self._column += cell_len(text)
        else:
            self._put_parts([(text, style)])

    def _put_parts(self, parts: list[tuple[str, str]]) -> None:
        """Draw a word of one or more styles, on the next line where it does not fit on this one."""
        width = max(8, min(self._width(), _WIDEST))
        cells, gap = sum(cell_len(text) for text, _ in parts), self._gap
        self._gap = ""
        if self._column and self._column + len(gap) + cells > width and self._column > self._indent:
            self._wrap()
            gap = ""
        self._draw(gap, "")
        self._column += len(gap)
        for text, style in parts:
            for piece in _pieces(text, width - self._column, width - self._indent):
                if self._column + cell_len(piece) > width and self._column > self._indent:
                    self._wrap()
                self._draw(piece, style)
                self._column += cell_len(piece)

    def _wrap(self) -> None:
        self._draw("\n" + " " * self._indent, "")
        self._column = self._indent

    def _new_line(self) -> None:
        self._draw("\n", "")
        self._column = self._indent = 0
        self._line_begins, self._line_style, self._gap = True, "", ""
        self._bold = self._literal = False  # a mark that is never closed ends with its line


def _pieces(text: str, room: int, width: int) -> Iterator[str]:
    """The text in pieces that fit: the first into `room` cells, the others into `width`."""
    if cell_len(text) <= room:
        yield text
        return
    first = chop_cells(text, room)[0] if room > 1 else ""
    if first:
        yield first
    yield from chop_cells(text[len(first) :], max(2, width))
