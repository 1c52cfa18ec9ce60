"""The tables of the chat's database.

An exchange is a question and what came of it; `again` is the one whose question it asks again, `details`
and `messages` are JSON. `feedback` repeats what was rated, so that a rating stands by itself. `words` is the
index of all that was said, kept by triggers.
"""

import sqlite3
from collections.abc import Iterator

VERSION = 1

_SCHEMA = """
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT UNIQUE,
    started_at TEXT NOT NULL
) STRICT;
CREATE TABLE exchanges (
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions(id),
    asked_at TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'done', 'stopped', 'failed')),
    kept INTEGER NOT NULL CHECK (kept IN (0, 1)),
    again INTEGER REFERENCES exchanges(id),
    question TEXT NOT NULL,
    answer TEXT NOT NULL,
    model TEXT NOT NULL,
    policy TEXT NOT NULL,
    prompts TEXT NOT NULL,
    details TEXT NOT NULL,
    messages TEXT NOT NULL
) STRICT;
CREATE INDEX exchanges_of_session ON exchanges(session);
CREATE TABLE feedback (
    exchange INTEGER PRIMARY KEY REFERENCES exchanges(id),
    rating INTEGER NOT NULL CHECK (rating IN (-1, 1)),
    note TEXT NOT NULL,
    given_at TEXT NOT NULL,
    question TEXT NOT NULL,
    answer TEXT NOT NULL,
    model TEXT NOT NULL,
    policy TEXT NOT NULL,
    prompts TEXT NOT NULL
) STRICT;
CREATE VIRTUAL TABLE words USING fts5(
    question, answer, content='exchanges', content_rowid='id', tokenize='unicode61 remove_diacritics 2'
);
CREATE TRIGGER words_in AFTER INSERT ON exchanges BEGIN
    INSERT INTO words(rowid, question, answer) VALUES (new.id, new.question, new.answer);
END;
CREATE TRIGGER words_over AFTER UPDATE OF question, answer ON exchanges BEGIN
    INSERT INTO words(words, rowid, question, answer) VALUES ('delete', old.id, old.question, old.answer);
    INSERT INTO words(rowid, question, answer) VALUES (new.id, new.question, new.answer);
END;
"""


def statements() -> Iterator[str]:
    """The schema, a statement at a time: sqlite3's executescript would end the transaction."""
    statement = ""
    for line in _SCHEMA.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
