"""HTML pages from templates that lie beside the code, such as the reports of runs and evaluations."""

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template


@cache
def page_template(package: str, name: str) -> "Template":
    """The template in a package's file; what is filled in is escaped, and a name left out is an error."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(resources.files(package).joinpath(name).read_text(encoding="utf-8"))
