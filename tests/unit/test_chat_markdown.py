"""Markdown as it streams: what is drawn does not depend on how the text arrives, and fits every width."""

import pytest
from rich.cells import cell_len

from agent.repl.markdown import MarkdownStream

RECIPE = (
    "Banana Bread [1]\n\nIngredients:\n- 2 cups all purpose flour, sifted twice and then once again\n\n"
    "Steps:\n1. Mix **wet** and `dry`.\n10. Bake for around an hour until a skewer comes out clean.\n"
)
MIXED = (
    "寿司は酢飯と魚介類を組み合わせた日本の料理である。🍣🍱 👩‍🍳 שקשוקה عربي " * 5
    + "supercalifragilistic" * 8
)


def drawn(text: str, width: int = 40, piece: int = 3) -> str:
    pieces: list[str] = []
    stream = MarkdownStream(lambda text, _: pieces.append(text), lambda: width)
    for start in range(0, len(text), piece):
        stream.feed(text[start : start + piece])
    stream.finish()
    return "".join(pieces)


def styled(text: str) -> list[tuple[str, str]]:
    pieces: list[tuple[str, str]] = []
    stream = MarkdownStream(lambda text, style: pieces.append((text, style)), lambda: 80)
    stream.feed(text)
    stream.finish()
    return [(text, style) for text, style in pieces if style]


def test_lists_hang_below_their_marks() -> None:
    assert drawn(RECIPE) == (
        "Banana Bread [1]\n\n"
        "Ingredients:\n• 2 cups all purpose flour, sifted twice\n  and then once again\n\n"
        "Steps:\n1. Mix wet and dry.\n10. Bake for around an hour until a\n    skewer comes out clean.\n"
    )


@pytest.mark.parametrize("piece", [1, 2, 7, 1000])
def test_the_pieces_of_the_stream_make_no_difference(piece: int) -> None:
    assert drawn(RECIPE, piece=piece) == drawn(RECIPE)


@pytest.mark.parametrize("width", [8, 40, 80, 200])
def test_no_line_is_wider_than_the_screen_and_nothing_is_lost(width: int) -> None:
    text = drawn(MIXED, width)
    assert max(map(cell_len, text.splitlines())) <= width
    assert "".join(text.split()) == "".join(MIXED.split())


def test_titles_headings_and_marks_are_styled() -> None:
    assert styled("Toast [1]\n\n## More\nSteps:\n1. **Cut** `bread`") == [
        ("Toast", "bold"), ("[1]", "bold"), ("More", "bold"), ("Steps:", "bold"), ("1.", "bold"),
        ("Cut", "bold"), ("bread", "cyan"),
    ]  # fmt: skip


def test_a_first_sentence_is_no_title() -> None:
    assert styled("Yes, it is.\n\nAnd more.") == []


def test_a_mark_that_is_never_closed_ends_with_its_line() -> None:
    assert styled("**open\nplain") == [("open", "bold")]


def test_a_lone_star_and_an_underscore_stay_as_they_are() -> None:
    assert drawn("1 cup* of my_flour, 2*3") == "1 cup* of my_flour, 2*3\n"


def test_code_keeps_its_spaces() -> None:
    assert drawn("```\na   b\n  c\n```\nend") == "```\na   b\n  c\n```\nend\n"
