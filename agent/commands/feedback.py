"""`souschef feedback export`: what people rated in chats, as pairs to train a reward model on."""

import json
from pathlib import Path

import click

from tools.errors import SouschefError


@click.group()
def feedback() -> None:
    """Use what people rated in chats."""


@feedback.command()
@click.option("--out", type=click.Path(path_type=Path), default=None, help="A file instead of stdout.")
@click.option("--json", "as_json", is_flag=True, help="With --out: print one JSON object about it.")
def export(out: Path | None, as_json: bool) -> None:
    """Write {"prompt", "chosen", "rejected"} lines, as `souschef train reward` reads them.

    A pair is an answer rated good, and one to the same question that was rated bad, or was retried unrated.

    \b
      souschef feedback export --out pairs.jsonl
      souschef train reward reward_model --set data=pairs.jsonl
    """
    from agent.repl.feedback import pairs
    from agent.repl.saving import Saver, data_folder
    from tools.files import atomic_write

    folder = data_folder()
    if not (folder / "souschef.db").exists():
        raise SouschefError("Nothing was saved yet: rate answers in `souschef chat` with /good and /bad.")
    with Saver(folder).store() as store:
        made = list(pairs(store.exchanges(), store.sessions_of_exchanges()))
    if not made:
        raise SouschefError(
            "No two answers were told apart yet: in `souschef chat` /retry an answer, then rate it /good."
        )
    lines = "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in made)
    if out is None:
        click.echo(lines, nl=False)
        return
    with atomic_write(out) as file:
        file.write(lines.encode("utf-8", "replace"))
    click.echo(json.dumps({"pairs": len(made), "file": str(out)}) if as_json else f"{len(made)} pairs: {out}")
