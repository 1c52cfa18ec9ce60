"""The ReAct adapter's training and development rows, from the data beside the project.

    python -m agent.adapters.react_data --data ../shared/data --out DIR

writes DIR/train.jsonl and DIR/dev.jsonl, chat messages that end with the step to learn, as `souschef train
sft` reads them. The same seed writes the same bytes. The development rows share no recipe, question, text or
phrasing with the training rows. How rows are made is in searches.py, after_search.py and others.py;
docs/react_adapter_data.md has the counts, the terms of the sources and the limits.
"""

import argparse
import json
import logging
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from agent.adapters import after_search, others, searches
from agent.adapters.material import Material, load_material
from agent.adapters.react_rows import Row, permitted
from agent.adapters.wording import Side
from tools.errors import SouschefError
from tools.files import atomic_write

Maker = Callable[[Material, Side, random.Random], Iterator[Row]]

_log = logging.getLogger(__name__)
_CASES = Path(__file__).parents[1] / "evaluation" / "cases"
_PATIENCE = 30  # rows that may be passed over for each that is wanted

# Rows of each kind for training; development has a share of each.
MIX: Mapping[Maker, int] = {
    searches.requests: 2600,
    searches.natural_requests: 310,
    searches.follow_ups: 400,
    searches.remarks_on_a_recipe: 50,
    searches.requests_within_texts: 80,
    after_search.choices: 130,
    after_search.nothing_found: 25,
    others.summaries: 650,
    others.summaries_of_files: 180,
    others.summaries_of_recipes: 130,
    others.shorter_summaries: 60,
    others.small_talk: 400,
    others.kitchen_questions: 520,
    others.tasks: 350,
    others.general_questions: 270,
    others.about_food: 1200,
    others.factual: 260,
    others.unserved: 200,
    others.remarks: 60,
}
_DEV_SHARE = 0.09


def main(arguments: list[str] | None = None) -> int:
    """Write both files; the exit code, 1 where something is to be mended first."""
    parser = argparse.ArgumentParser(prog="python -m agent.adapters.react_data", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="the folder of the sources")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        write_data(options.data, options.out, options.seed)
    except SouschefError as error:
        _log.error("%s", error)
        return error.exit_code
    return 0


def write_data(
    data: Path,
    out: Path,
    seed: int = 0,
    share: float | None = None,
    sides: tuple[Side, ...] = ("train", "dev"),
) -> None:
    """Write train.jsonl and dev.jsonl into a folder, or one of them, or a share of their rows.

    Raises SouschefError where a source is missing or no row is.
    """
    for side in sides:
        rows = make_rows(load_material(data, side), side, seed, share)
        with atomic_write(out / f"{side}.jsonl") as file:
            for number, row in enumerate(rows):
                line = json.dumps(row.to_dict(number), ensure_ascii=False)
                file.write(f"{line}\n".encode())
        _log.info("%s: %d rows, %s", side, len(rows), dict(Counter(row.route for row in rows)))


def make_rows(material: Material, side: Side, seed: int, share: float | None = None) -> list[Row]:
    """Rows of every kind in the mix, shuffled; `share` is how many of the mix's rows are made."""
    share = (_DEV_SHARE if side == "dev" else 1.0) if share is None else share
    known: set[str] = set(shipped_questions())
    rows: list[Row] = []
    for maker, count in MIX.items():
        rng = random.Random(f"{seed} {side} {maker.__name__}")
        wanted = max(1, round(count * share))
        rows += _some(maker(material, side, rng), wanted, known)
    random.Random(f"{seed} {side}").shuffle(rows)
    return rows


def _some(made: Iterator[Row], count: int, known: set[str]) -> list[Row]:
    """So many rows that the agent's grammar permits and that were not made before; `known` grows."""
    kept: list[Row] = []
    for row in islice(made, count * _PATIENCE):
        if len(kept) == count:
            break
        asked = normal(row.question) + "/" + str(len(row.conversation))
        if asked in known or normal(row.question) in known or not permitted(row):
            continue
        if len(row.conversation) == 1:
            known.add(asked)
        kept.append(row)
    return kept


def shipped_questions() -> Iterator[str]:
    """The questions of the evaluation cases that ship, which no row may ask."""
    for path in sorted(_CASES.rglob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            yield from (normal(str(case[key])) for key in ("question", "query", "text") if key in case)


def normal(question: str) -> str:
    """A question without case, punctuation and needless space.

    >>> normal("How  do I make Dal?")
    'how do i make dal'
    """
    return " ".join("".join(c if c.isalnum() else " " for c in question.casefold()).split())


if __name__ == "__main__":
    sys.exit(main())
