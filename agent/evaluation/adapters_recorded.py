"""Which adapters an evaluation ran with, for its settings: a resumed run must have the same ones.

A model's name stays the same when the adapter beside it is trained again, or is prompted and decoded in
another way; its weights and its policy.json do not.
"""

from agent.engines import adapter_files
from agent.engines.base import Engine
from tools.files import sha256
from tools.policy_folder import CARD


def adapters_sha256(engine: Engine | str) -> list[str] | None:
    """The sha256 of each adapter of an engine, or of what a name will load, and of its policy.json."""
    files = adapter_files(engine) if isinstance(engine, str) else engine.adapter_files
    return [sha256(one) for file in files for one in (file, file.with_name(CARD)) if one.is_file()] or None
