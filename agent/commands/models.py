"""`souschef models list|fetch|path`: what model files there are, and from where.

Results go to stdout (with --json as JSON alone), progress to stderr. Only `fetch` downloads anything.
"""

import json
from typing import Any

import click

from tools.errors import ModelFileError
from tools.model_cache import check, model_folder
from tools.models import CATALOGUE, CatalogueEntry, ModelFiles, cached_files, fetch_model, find_model

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def models() -> None:
    """List, fetch and find model files."""


@models.command("list")
@as_json
def list_models(as_json: bool) -> None:
    """Show every model known by name, where it comes from and whether it is on this machine."""
    described = [_described(entry) for entry in CATALOGUE.values()]
    if as_json:
        click.echo(json.dumps(described, indent=2))
        return
    rows = [("NAME", "ROLE", "FORMAT", "SIZE", "LICENCE", "HERE", "FROM")]
    for model in described:
        size = f"{model['size_bytes'] / 1e6:,.0f} MB"
        cells = (model["name"], model["role"], model["format"], size, model["licence"], model["state"])
        rows.append((*cells, ", ".join(model["sources"])))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@models.command("fetch")
@click.argument("name")
@as_json
def fetch_command(name: str, as_json: bool) -> None:
    """Fetch a model by NAME, unless its files are here and, read in full, are what they should be."""
    if name in CATALOGUE:
        _print(fetch_model(CATALOGUE[name], thorough=True), as_json)
    else:
        find_model(name)  # says which names there are, unless this is a path
        raise ModelFileError(f"{name} is a path and needs no fetching: pass it where a model is asked for.")


@models.command("path")
@click.argument("name")
@as_json
def path_command(name: str, as_json: bool) -> None:
    """Print where the files of NAME are, without fetching them."""
    _print(find_model(name), as_json)


def _described(entry: CatalogueEntry) -> dict[str, Any]:
    verdict = check(entry)
    here = cached_files(entry, verdict) is not None
    return {
        "name": entry.name,
        "role": entry.role,
        "format": entry.format,
        "size_bytes": entry.size_bytes,
        "licence": entry.licence,
        "sources": [str(source) for source in entry.sources],
        "state": "yes" if here else "damaged" if verdict.problem else "no",
        "cached": here,
        "path": str(model_folder(entry)),
    }


def _print(files: ModelFiles, as_json: bool) -> None:
    if as_json:
        found = {
            "name": files.name,
            "path": str(files.path),
            "format": files.format,
            "revision": files.revision,
        }
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo(files.path)
