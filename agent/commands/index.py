"""`souschef index build|add|delete|search|info|verify`: recipe indexes from the command line.

Results go to stdout (with --json as JSON alone), progress to stderr. Without --index, the commands that only
read use the index of the recipes that come with Souschef, which is built on first use.
"""

import json
import shutil
import textwrap
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from tools.errors import IndexFileError

if TYPE_CHECKING:
    from tools.index import Hit, Mode, RecipeIndex

_files = click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
_own_index = click.option(
    "--index", "folder", required=True, type=click.Path(path_type=Path), metavar="DIR", help="The index."
)
_any_index = click.option(
    "--index",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The index; by default that of the recipes that come with Souschef.",
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def index() -> None:
    """Build, extend, search and check a recipe index."""


@index.command()
@_files
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Where to write it."
)
@click.option("--embedder", metavar="NAME", help="A catalogue name or a model folder; by default minilm-l6.")
@click.option(
    "--ann", type=click.Choice(["hnsw", "ivf"]), help="Search approximately; for 100,000s of recipes."
)
@click.option("--force", is_flag=True, help="Replace an index that another embedder made.")
@_as_json
def build(
    files: tuple[Path, ...],
    out: Path,
    embedder: str | None,
    ann: Literal["hnsw", "ivf"] | None,
    force: bool,
    as_json: bool,
) -> None:
    """Make an index of the recipes in FILE..., replacing the one in DIR if there is one.

    Files are JSONL, JSON, CSV, TSV or Parquet, also gzipped. Interrupted, the same command continues.
    """
    from tools.embed import DEFAULT_EMBEDDER, load_embedder
    from tools.index import RecipeIndex
    from tools.index_files import holds_index
    from tools.recipes import read_recipes

    started = time.perf_counter()
    replaced = holds_index(out)
    try:
        made_by = load_embedder(embedder or DEFAULT_EMBEDDER)
        built = RecipeIndex.build(read_recipes(files), out, made_by, ann=ann, force=force)
    except KeyboardInterrupt:
        click.echo("What was embedded is kept: the same command continues from there.", err=True)
        raise
    seconds = time.perf_counter() - started
    if as_json:
        _print_json({**_described(built), "replaced": replaced, "seconds": round(seconds, 2)})
        return
    click.echo(f"{'Replaced' if replaced else 'Built'} the index in {out} in {seconds:,.1f} s.")
    _print_table(_described(built))


@index.command()
@_files
@_own_index
@_as_json
def add(files: tuple[Path, ...], folder: Path, as_json: bool) -> None:
    """Put the recipes in FILE... into an index; a recipe whose uid is there already replaces that one."""
    from tools.index import RecipeIndex
    from tools.recipes import read_recipes

    with RecipeIndex.editing(folder) as edited:
        counts = edited.add(read_recipes(files))
    if as_json:
        _print_json({**asdict(counts), "count": edited.count})
    else:
        click.echo(
            f"{counts.added:,} added, {counts.updated:,} updated, {counts.unchanged:,} unchanged: "
            f"{edited.count:,} recipes in {folder}."
        )


@index.command()
@click.argument("uids", nargs=-1, required=True, metavar="UID...")
@_own_index
@_as_json
def delete(uids: tuple[str, ...], folder: Path, as_json: bool) -> None:
    """Take recipes out of an index by UID."""
    from tools.index import RecipeIndex

    with RecipeIndex.editing(folder) as edited:
        if missing := [uid for uid in uids if not edited.get_by_ids([uid])]:
            raise IndexFileError(
                f"There is no recipe {missing[0]!r} in {folder}, so nothing was deleted: "
                "`souschef index search` shows the uids."
            )
        before = edited.count
        edited.delete(list(uids))
    if as_json:
        _print_json({"deleted": before - edited.count, "count": edited.count})
    else:
        click.echo(f"{before - edited.count:,} deleted: {edited.count:,} recipes in {folder}.")


@index.command()
@click.argument("query")
@click.option("-k", default=3, show_default=True, help="How many recipes to show.")
@click.option(
    "--mode",
    type=click.Choice(["dense", "lexical", "hybrid"]),
    default="dense",
    show_default=True,
    help="By meaning, by words, or by both.",
)
@click.option("--tag", "tags", multiple=True, help="Only recipes with this tag; may be repeated.")
@click.option("--avoid", multiple=True, help="No recipes with this ingredient; may be repeated.")
@_any_index
@_as_json
def search(
    query: str,
    k: int,
    mode: str,
    tags: tuple[str, ...],
    avoid: tuple[str, ...],
    folder: Path | None,
    as_json: bool,
) -> None:
    """Find recipes like QUERY.

    --avoid goes by the words of the ingredient lines: egg rules out "2 eggs", not "eggplant"; nuts, dairy,
    fish, shellfish, meat, alcohol and gluten rule out what is known to belong to them. No promise for
    allergies.
    """
    hits = _opened(folder).search(query, k, cast("Mode", mode), tags=tags, avoid=avoid)
    if as_json:
        shown = ("rank", "uid", "name", "score", "text")
        _print_json([{name: getattr(hit, name) for name in shown} for hit in hits])
    elif hits:
        _print_hits(hits)
    else:
        click.echo("No recipe matches: search for something else, or with fewer --tag and --avoid.")


@index.command()
@_any_index
@_as_json
def info(folder: Path | None, as_json: bool) -> None:
    """Show what an index holds and what made it."""
    described = _described(_opened(folder))
    if as_json:
        _print_json(described)
    else:
        _print_table(described)


@index.command()
@_any_index
@_as_json
def verify(folder: Path | None, as_json: bool) -> None:
    """Read all of an index and check that nothing in it has changed since it was written."""
    from tools.passages import read_line

    opened = _opened(folder)  # checks every byte
    for line in opened.lines():
        read_line(line)
    if as_json:
        _print_json({"whole": True, **_described(opened)})
    else:
        click.echo(f"{opened.folder} is whole: {opened.count:,} recipes.")


def _opened(folder: Path | None) -> "RecipeIndex":
    from tools.index import RecipeIndex, embedded_index

    return embedded_index() if folder is None else RecipeIndex.load(folder)


def _described(opened: "RecipeIndex") -> dict[str, Any]:
    manifest, folder = opened.manifest, opened.folder
    assert manifest is not None
    assert folder is not None  # it was loaded or written
    return {
        "index": str(folder),
        "recipes": manifest.count,
        "embedder": manifest.embedder.name,
        "revision": manifest.embedder.revision,
        "dimension": manifest.dimension,
        "search": manifest.ann or "exact",
        "recall_at_10": round(manifest.recall_at_10, 4),
        "generation": manifest.generation,
        "bytes": sum((folder / name).stat().st_size for name in manifest.files),
    }


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))


def _print_table(described: dict[str, Any]) -> None:
    width = max(map(len, described))
    for name, value in described.items():
        click.echo(f"{name.ljust(width)}  {f'{value:,}' if isinstance(value, int) else value}")


def _print_hits(hits: "list[Hit]") -> None:
    from agent.commands.turn_view import printable

    width = max(40, min(shutil.get_terminal_size().columns, 100))
    for hit in hits:
        click.secho(f"{hit.rank}. {printable(hit.name)}", bold=True, nl=False)
        click.secho(f"  {hit.score:.3f}  {printable(hit.uid)}", dim=True)
        about = ", ".join(hit.recipe.ingredients) if hit.recipe else " ".join(hit.text.split())
        click.echo(textwrap.indent(textwrap.shorten(printable(about), width - 6, placeholder=" ..."), "   "))
