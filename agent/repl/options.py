"""What answers in a chat, and how: what `souschef chat` begins with and /model, /policy, /set change."""

import math
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from tools.errors import UsageError

DEFAULT_MODEL = "smollm2-135m"


@dataclass(frozen=True)
class Choice:
    """Model, summarizer, recipes; a policy or index of None is the model itself, or the embedded recipes."""

    model: str = DEFAULT_MODEL
    base_url: str | None = None
    context_tokens: int | None = None
    policy: str | None = None
    index: Path | None = None
    tools: bool = True


@dataclass(frozen=True)
class Settings:
    """The numbers that /set changes; times are in seconds."""

    temperature: float = 0.0
    max_tokens: int = 512
    step_limit: int = 4
    k: int = 3
    time_limit_s: float = 300.0
    seed: int = 0


_RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "max_tokens": (16, 100_000),
    "step_limit": (0, 50),
    "k": (1, 20),
    "time_limit_s": (0.1, 86_400),
    "seed": (0, 2**31 - 1),
}


def changed(settings: Settings, name: str, value: str) -> Settings:
    """The settings with one number changed; UsageError names what there is and what it may be.

    >>> changed(Settings(), "k", "5").k
    5
    """
    name = name.replace("-", "_").replace("time_limit_s", "time_limit").replace("time_limit", "time_limit_s")
    if name not in _RANGES:
        raise UsageError(f"There is no setting {name!r}: set one of {', '.join(_RANGES)}.")
    kind = int if isinstance(getattr(Settings, name), int) else float
    low, high = _RANGES[name]
    try:
        number = kind(value)
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        whole = "a whole number" if kind is int else "a number"
        raise UsageError(f"{name} is {whole} from {low:g} to {high:,g}: {value!r} is not.")
    change: dict[str, Any] = {name: number}
    return replace(settings, **change)


def shown(settings: Settings) -> str:
    """All settings, a line each."""
    return "\n".join(f"{field.name:<13} {getattr(settings, field.name):g}" for field in fields(settings))
