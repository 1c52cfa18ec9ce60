"""The README's Python examples run as they stand, in order, in one namespace."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_readme_has_python_examples() -> None:
    assert len(EXAMPLES) >= 3


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_python_example_of_the_readme_runs(number: int) -> None:
    code = compile(EXAMPLES[number], f"README example {number + 1}", "exec")
    exec(code, {})
