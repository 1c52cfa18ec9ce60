"""The recipes that the index benchmarks read: 7,198 from the web where they are at hand, else our own."""

from itertools import islice
from pathlib import Path

from tools.recipes import Recipe, embedded_recipes, read_recipes

DATA = Path(__file__).parents[3] / "shared" / "data" / "recipes" / "web_7198.jsonl.gz"


def recipes_to_measure(rows: int) -> list[Recipe]:
    """At most `rows` recipes."""
    return list(islice(read_recipes([DATA]) if DATA.exists() else embedded_recipes(), rows))
