"""The chat's database: sessions, their exchanges, ratings, and an index of every word said.

SQLite in WAL mode, so that a second terminal reads and writes meanwhile, and every change is on disk before
the call returns. The schema is ours and not langgraph's checkpointer: that one stores the state of the graph
as opaque blobs, at the end of steps, and could answer neither "which sessions are there", nor /find, nor
which of two answers was rated better. Everything here raises sqlite3.Error; saving.py says it in a sentence.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.repl.exchanges import Exchange, now
from agent.repl.schema import VERSION, statements

_BUSY_S = 0.5  # how long to wait for another terminal, which holds the lock for milliseconds


class OtherVersion(sqlite3.DatabaseError):
    """The database was made by another version of Souschef."""


@dataclass(frozen=True)
class SessionRow:
    """A session in the list of sessions."""

    id: int
    name: str
    started_at: str
    exchanges: int
    opening: str  # its first question


@dataclass(frozen=True)
class Found:
    """An exchange in which words were found."""

    session: int
    name: str
    asked_at: str
    question: str
    snippet: str


class Store:
    """An open database; made where there is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
        try:
            self._prepare()
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Give the file back."""
        self._db.close()

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")  # a power cut loses nothing that was said
        self._db.execute("PRAGMA foreign_keys = ON")
        if self._version() == 0:
            with self._change():
                if self._version() == 0:  # another terminal may have made it meanwhile
                    for statement in statements():
                        self._db.execute(statement)
                    self._db.execute(f"PRAGMA user_version = {VERSION}")
            self.path.chmod(0o600)
        if self._version() != VERSION:
            raise OtherVersion(f"version {self._version()}")

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _change(self) -> Iterator[None]:
        """All of the block's changes or none."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    # ---- sessions

    def new_session(self, started_at: str) -> int:
        """A new session's number."""
        with self._change():
            added = self._db.execute("INSERT INTO sessions(started_at) VALUES (?)", [started_at])
            return int(added.lastrowid or 0)

    def name_session(self, session: int, name: str) -> bool:
        """Name a session; False where another one has the name."""
        try:
            with self._change():
                self._db.execute("UPDATE sessions SET name = ? WHERE id = ?", [name, session])
        except sqlite3.IntegrityError:
            return False
        return True

    def sessions(self, most: int) -> list[SessionRow]:
        """The sessions that were used last, newest first."""
        rows = self._db.execute(
            "SELECT s.id, coalesce(s.name, ''), s.started_at, count(e.id), coalesce("
            " (SELECT question FROM exchanges WHERE session = s.id ORDER BY id LIMIT 1), '')"
            " FROM sessions s JOIN exchanges e ON e.session = s.id"
            " GROUP BY s.id ORDER BY max(e.id) DESC LIMIT ?",
            [most],
        )
        return [SessionRow(*row) for row in rows]

    def find_session(self, number_or_name: str) -> tuple[int, str, str] | None:
        """A session's number, name and start, by its name or number."""
        row = self._db.execute(
            "SELECT id, coalesce(name, ''), started_at FROM sessions WHERE name = ?1 OR id = ?2"
            " ORDER BY name IS ?1 DESC LIMIT 1",
            [number_or_name, _number(number_or_name)],
        ).fetchone()
        return None if row is None else (int(row[0]), str(row[1]), str(row[2]))

    # ---- exchanges

    def save(self, session: int, exchange: Exchange) -> int:
        """Write an exchange, new or changed, with its rating; its row's number."""
        values = _values(session, exchange)
        with self._change():
            row = exchange.row
            if row is None:
                columns, places = ", ".join(values), ", ".join("?" * len(values))
                sql = f"INSERT INTO exchanges({columns}) VALUES ({places})"
                row = int(self._db.execute(sql, list(values.values())).lastrowid or 0)
            else:
                changes = ", ".join(f"{column} = ?" for column in values)
                self._db.execute(f"UPDATE exchanges SET {changes} WHERE id = ?", [*values.values(), row])
            if exchange.rating:
                self._rate(row, exchange)
        return row

    def _rate(self, row: int, exchange: Exchange) -> None:
        said = [exchange.question, exchange.answer, exchange.model, exchange.policy, exchange.prompts]
        self._db.execute(
            "INSERT OR REPLACE INTO feedback VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [row, exchange.rating, exchange.note, now(), *said],
        )

    def exchanges(self, session: int | None = None) -> list[Exchange]:
        """All exchanges of a session, or of all sessions, in the order they were asked."""
        rows = self._db.execute(
            "SELECT e.id, e.again, e.asked_at, e.state, e.kept, e.question, e.answer, e.model, e.policy,"
            " e.prompts, e.details, e.messages, coalesce(f.rating, 0), coalesce(f.note, '')"
            " FROM exchanges e LEFT JOIN feedback f ON f.exchange = e.id"
            " WHERE ?1 IS NULL OR e.session = ?1 ORDER BY e.session, e.id",
            [session],
        )
        read: dict[int, Exchange] = {}
        for row in rows:
            read[row[0]] = _exchange(row, read)
        return list(read.values())

    def sessions_of_exchanges(self) -> dict[int, int]:
        """The session of each exchange, by row."""
        return dict(self._db.execute("SELECT id, session FROM exchanges"))

    def find(self, words: str, most: int) -> list[Found]:
        """Exchanges with all these words, best first; a part of a word is found where no word is."""
        query = " ".join('"' + word.replace('"', '""') + '"' for word in words.split())
        select = (
            "SELECT e.session, coalesce(s.name, ''), e.asked_at, e.question, {snippet} FROM {tables}"
            " JOIN sessions s ON s.id = e.session"
        )
        whole = select.format(
            snippet="snippet(words, 1, '', '', ' ... ', 12)",
            tables="words JOIN exchanges e ON e.id = words.rowid",
        )
        found = self._db.execute(f"{whole} WHERE words MATCH ? ORDER BY rank LIMIT ?", [query, most])
        rows = found.fetchall()
        if not rows:
            part = select.format(snippet="e.answer", tables="exchanges e")
            where = "instr(lower(e.question || char(10) || e.answer), lower(?)) ORDER BY e.id DESC LIMIT ?"
            rows = self._db.execute(f"{part} WHERE {where}", [words, most]).fetchall()
        return [Found(*row) for row in rows]


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _values(session: int, exchange: Exchange) -> dict[str, Any]:
    details = {
        "attachments": [list(file) for file in exchange.attachments],
        "settings": exchange.settings,
        "turn": exchange.turn,
        "passages": exchange.passages,
    }
    values: dict[str, Any] = {
        "session": session,
        "again": exchange.again.row if exchange.again else None,
        "kept": int(exchange.kept),
        "details": json.dumps(details),
    }
    columns = ("asked_at", "state", "question", "answer", "model", "policy", "prompts", "messages")
    return values | {name: _storable(getattr(exchange, name)) for name in columns}


def _storable(text: str) -> str:
    """SQLite takes no half surrogate pairs, which a terminal sends for bytes that are no text."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _exchange(row: tuple[Any, ...], read: dict[int, Exchange]) -> Exchange:
    details = json.loads(row[10])
    return Exchange(
        question=row[5],
        attachments=[(name, text) for name, text in details["attachments"]],
        model=row[7],
        policy=row[8],
        prompts=row[9],
        settings=details["settings"],
        asked_at=row[2],
        state=row[3],
        answer=row[6],
        turn=details["turn"],
        passages=details["passages"],
        messages=row[11],
        again=read.get(row[1]),
        kept=bool(row[4]),
        rating=row[12],
        note=row[13],
        row=row[0],
        saved=True,
    )
