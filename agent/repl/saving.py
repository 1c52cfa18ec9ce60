"""Saving what is said, and going on without it where that does not work.

A damaged, locked or unwritable database is said in one sentence, once; the chat goes on in memory, and every
later exchange tries again, so that a full disk or a lock that passes loses nothing. Also here: which session
this terminal has open, held by a lock that the system gives back even after kill -9.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.repl.exchanges import Exchange, now
from agent.repl.store import OtherVersion, Store
from tools.errors import SouschefError
from tools.files import expanded


@dataclass
class SessionName:
    """The session that a chat is; it has a number once something was asked in it."""

    started_at: str
    id: int | None = None
    name: str = ""


def data_folder() -> Path:
    """Where what people said is kept: $SOUSCHEF_DATA, or the user's data folder."""
    import platformdirs

    chosen = os.environ.get("SOUSCHEF_DATA")
    return expanded(chosen) if chosen else Path(platformdirs.user_data_path("souschef"))


class Saver:
    """Keeps exchanges in the database of a folder; with no folder it keeps nothing and says nothing."""

    def __init__(self, folder: Path | None, say: Callable[[str], None] = lambda _: None) -> None:
        self._folder, self._say = folder, say
        self._store: Store | None = None
        self._claims: int | None = None  # file descriptor
        self._broken = False
        if folder is not None:
            self._try(lambda: None)

    @property
    def saves(self) -> bool:
        """Whether anything is to be kept at all."""
        return self._folder is not None

    def keep(self, session: SessionName, exchanges: Sequence[Exchange]) -> bool:
        """Write what is not in the database yet; whether it is all there now."""
        return self._folder is not None and self._try(lambda: self._keep(session, exchanges))

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The database, to read from; SouschefError where there is none or it cannot be read."""
        if self._folder is None:
            raise SouschefError("This chat is not saved: start it without --no-save.")
        try:
            yield self._open()
        except (sqlite3.Error, OSError) as error:
            raise SouschefError(f"{_sentence(self._folder, error)}.") from error

    def claim(self, session: int) -> bool:
        """Whether this terminal has the session to itself from now on, or until it claims another."""
        if self._folder is None:
            return True
        if self._claims is None:
            self._claims = os.open(self._folder / "open-sessions.lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.lockf(self._claims, fcntl.LOCK_UN)
        try:
            fcntl.lockf(self._claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, session)  # one byte a session
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Give database and session back."""
        if self._store:
            self._store.close()
        if self._claims is not None:
            os.close(self._claims)
        self._store = self._claims = None

    def _open(self) -> Store:
        if self._store is None:
            assert self._folder is not None
            self._store = Store(self._folder / "souschef.db")
        return self._store

    def _try(self, write: Callable[[], None]) -> bool:
        assert self._folder is not None
        try:
            self._open()
            write()
        except (sqlite3.Error, OSError) as error:
            if not self._broken:
                self._say(f"{_sentence(self._folder, error)}. The chat goes on without saving.")
            self._broken = True
            return False
        if self._broken:
            self._say("Saving works again: nothing of this chat was lost.")
        self._broken = False
        return True

    def _keep(self, session: SessionName, exchanges: Sequence[Exchange]) -> None:
        store = self._open()
        if session.id is None:
            session.id = store.new_session(session.started_at or now())
            self.claim(session.id)
            if session.name:
                store.name_session(session.id, session.name)
        for exchange in exchanges:
            if not exchange.saved:
                exchange.row = store.save(session.id, exchange)
                exchange.saved = True


def _sentence(folder: Path, error: Exception) -> str:
    """What is wrong with the database, and what mends it."""
    path = folder / "souschef.db"
    if isinstance(error, OtherVersion):
        return f"{path} was made by a newer Souschef: update this one, or set SOUSCHEF_DATA to another folder"
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"{path} is locked by another program: close it there"
    if code == sqlite3.SQLITE_FULL:
        return f"The disk with {path} is full: free some space"
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return f"{path} is damaged: move it away to begin a new one"
    if isinstance(error, FileExistsError):
        return f"{folder} is a file, not a folder: move it away, or set SOUSCHEF_DATA to another folder"
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{path} cannot be used ({reason}): make it writable, or set SOUSCHEF_DATA to another folder"
