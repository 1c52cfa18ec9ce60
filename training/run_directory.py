"""A run directory: the only thing between training and the rest, and what a killed run goes on from.

The config is written before the first step. A directory with a run in it is never written over: it is gone on
with, under the very config that it began with, or another directory is chosen.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.errors import TrainingError
from tools.files import atomic_write, saying_what_the_disk_refused
from training.checkpoints import tidy
from training.config import to_json

if TYPE_CHECKING:
    from training.processes import Processes

CONFIG = "config.json"


class RunDirectory:
    """Reads for every process, writes for the main one."""

    def __init__(self, path: Path, config: Any, processes: "Processes | None" = None) -> None:
        self.path, self._config = path, to_json(config)
        self._writes = processes is None or processes.is_main
        self._processes = processes

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints lie."""
        return self.path / "checkpoints"

    def check(self, *, resume: bool) -> dict[str, Any] | None:
        """The config of the run that is here, if any; TrainingError where none can begin or go on."""
        recorded = self._recorded()
        if recorded is not None and not resume:
            raise TrainingError(
                f"{self.path} holds a run already: go on with it by --resume, or choose another --out."
            )
        if recorded is not None:
            self._check_same(recorded)
        if self._writes:
            _check_writable(self.path)
        return recorded

    def open(self, *, resume: bool) -> None:
        """Begin a run here, or go on with the one that is here; see `check` for what it refuses."""
        recorded = self.check(resume=resume)
        if self._processes:
            self._processes.wait()  # all have read before one writes
        if recorded is None:
            self.write(CONFIG, self._config)
        if self._writes:
            tidy(self.checkpoints)

    def keep(self, name: str, content: Any) -> None:
        """Write a JSON file once; TrainingError where a run that goes on finds it would be another."""
        file = self.path / name
        if not file.is_file():
            self.write(name, content)
        elif json.loads(file.read_bytes()) != json.loads(json.dumps(content)):
            raise TrainingError(
                f"The data are not those with which the run in {self.path} began ({name}): "
                "put them back, or choose another --out."
            )

    def write(self, name: str, content: Any) -> None:
        """A JSON file that appears whole."""
        self._write(name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def write_lines(self, name: str, lines: Sequence[Any]) -> None:
        """A JSONL file that appears whole."""
        self._write(name, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))

    def read_lines(self, name: str) -> list[Any] | None:
        """A JSONL file that write_lines wrote; None where there is none."""
        file = self.path / name
        if not file.is_file():
            return None
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]

    def _write(self, name: str, text: str) -> None:
        if self._writes:
            with atomic_write(self.path / name) as file:
                file.write(text.encode())

    def _recorded(self) -> dict[str, Any] | None:
        file = self.path / CONFIG
        try:
            recorded = json.loads(file.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise TrainingError(f"{file} cannot be read as a config: choose another --out.") from error
        if not isinstance(recorded, dict):
            raise TrainingError(f"{file} is no config: choose another --out.")
        return recorded

    def _check_same(self, recorded: dict[str, Any]) -> None:
        keys = sorted({*recorded, *self._config})
        changed = [key for key in keys if recorded.get(key) != self._config.get(key)]
        if changed:
            key, asked = changed[0], self._config.get(changed[0])
            raise TrainingError(
                f"The run in {self.path} began with {key} = {recorded.get(key)!r}, not {asked!r}: "
                "resume it with the same settings, or choose another --out."
            )


def _check_writable(folder: Path) -> None:
    """Make the folder, and a nameless file in it, as other processes may do now; TrainingError if refused."""
    try:
        with saying_what_the_disk_refused(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
    except OSError as error:
        raise TrainingError(
            f"{folder} cannot be a run's directory ({error.strerror}): choose another --out."
        ) from error
