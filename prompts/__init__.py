"""Every prompt, as a text file beside this one: `prompt("react")` reads prompts/react.txt.

A place to fill in is written {{name}}, so that the braces of JSON need no escaping.
"""

import re
from functools import cache
from importlib import resources


@cache
def prompt(name: str) -> str:
    """The text of prompts/NAME.txt, without the line break at its end."""
    return resources.files("prompts").joinpath(f"{name}.txt").read_text(encoding="utf-8").rstrip("\n")


def fill(template: str, **values: str) -> str:
    """Put values where the template says {{name}}; what is put in is not looked at again.

    >>> fill("Hello {{name}}, {not this}", name="{{name}}")
    'Hello {{name}}, {not this}'
    """
    return re.sub(r"\{\{(\w+)\}\}", lambda place: values[place[1]], template)
