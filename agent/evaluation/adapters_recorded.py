"""Which adapters an evaluation ran with, for its settings: a resumed run must have the same ones.

A model's name stays the same when the adapter beside it is trained again; its weights do not.
"""

from agent.engines import adapter_files
from agent.engines.base import Engine
from tools.files import sha256


def adapters_sha256(engine: Engine | str) -> list[str] | None:
    """A sha256 for each adapter of an engine, or of what a model's name will load; None without any."""
    files = adapter_files(engine) if isinstance(engine, str) else engine.adapter_files
    return [sha256(file) for file in files] or None
