"""The job as a process, and what it makes of a database."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pg8000.exceptions import DatabaseError
from pg8000.native import Connection

from function.settings import load
from function.store.connection import connect
from function.store.faults import sqlstate

ROOT = Path(__file__).parents[2]

ORIGINAL = """
CREATE TYPE difficulty_level AS ENUM ('easy', 'ok', 'hard');
CREATE TABLE feedback (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(), student_id UUID NOT NULL, message TEXT,
    perceived_difficulty difficulty_level NOT NULL, strategy_snapshot JSONB NOT NULL,
    created_at TIMESTAMP NOT NULL DEFAULT now());
CREATE INDEX idx_feedback_student_id ON feedback (student_id);
CREATE INDEX idx_feedback_created_at ON feedback (created_at DESC);
CREATE INDEX idx_feedback_strategy_snapshot ON feedback USING gin (strategy_snapshot);
"""
ORIGINAL_INSERT = """
INSERT INTO feedback (student_id, message, perceived_difficulty, strategy_snapshot)
VALUES (gen_random_uuid(), 'too hard', 'hard', '{"difficulty_weight": 0.5}')
"""
REVISION = """
INSERT INTO strategy_revision (
    feedback_id, feedback_created_at, student_id, perceived_difficulty, difficulty_adjustment,
    topic_weights, sentiment, strategy_snapshot, concern, traceparent)
VALUES (gen_random_uuid(), now(), gen_random_uuid(), 'hard', -0.5, '{"general": 1}', 'negative',
        '{"difficulty_weight": 0.5}', 'none', '')
"""
ERASURE = "INSERT INTO student_erasure (student_id) VALUES (gen_random_uuid())"
COPY = """
ALTER TABLE feedback RENAME TO original;
CREATE TABLE feedback (LIKE original INCLUDING ALL);
INSERT INTO feedback SELECT * FROM original
"""
NO_TRACE = "00-00000000000000000000000000000000-0000000000000000-00"

COLUMNS = {
    "id": ("uuid", True, "gen_random_uuid()"),
    "student_id": ("uuid", True, None),
    "task_id": ("text", False, None),
    "message": ("text", False, None),
    "perceived_difficulty": ("difficulty_level", True, None),
    "difficulty_adjustment": ("double precision", False, None),
    "topic_weights": ("jsonb", False, None),
    "sentiment": ("text", False, None),
    "strategy_snapshot": ("jsonb", True, None),
    "created_at": ("timestamp with time zone", True, "now()"),
    "traceparent": ("text", True, f"'{NO_TRACE}'::text"),
    "concern": ("text", True, "'unassessed'::text"),
}
INDEXES = {
    "feedback_pkey": "USING btree (id)",
    "idx_feedback_student_id": "USING btree (student_id)",
    "idx_feedback_created_at": "USING btree (created_at DESC)",
    "idx_feedback_strategy_snapshot": "USING gin (strategy_snapshot)",
}


@dataclass(frozen=True)
class Run:
    """How the command ended, and its log."""

    code: int
    output: str

    def values(self, event: str, field: str) -> list[Any]:
        lines = [json.loads(line) for line in self.output.splitlines()]
        return [line[field] for line in lines if line["event"] == event]

    @property
    def changes(self) -> list[str]:
        return self.values("schema changed", "change")

    @property
    def left_undone(self) -> list[str]:
        return self.values("left undone", "what")

    @property
    def events_missing(self) -> list[str]:
        return self.values("rows may lack their events", "what")

    @property
    def suspects(self) -> list[str]:
        return self.values("rows may be refused", "what")

    @property
    def hints(self) -> list[str]:
        return self.values("rows may lack their events", "hint")

    @property
    def waits(self) -> list[str]:
        return self.values("waiting", "reason")

    @property
    def was_up_to_date(self) -> bool:
        return self.code == 0 and self.values("schema was up to date", "changes") == [0]


def migrate(
    url: str, timeout: float = 20, once_waiting: Callable[[], object] = lambda: None
) -> Run:
    """Run the job; `timeout` is its MIGRATE_TIMEOUT in seconds.

    `once_waiting` is called when the job says for the first time that it waits.
    """
    own = {"DATABASE_URL": url, "MIGRATE_TIMEOUT": str(timeout), "LOG_LEVEL": "INFO"}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    with subprocess.Popen(
        [sys.executable, "-m", "function.migrate"],
        env=inherited | own,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        output = ""
        for line in process.stdout:
            if '"waiting"' in line and '"waiting"' not in output:
                once_waiting()
            output += line
    return Run(process.returncode, output)


@contextmanager
def session(url: str) -> Iterator[Connection]:
    connection = connect(load({"DATABASE_URL": url}).postgres, 20)
    try:
        yield connection
    finally:
        connection.close()


def run(url: str, sql: str) -> Any:
    with session(url) as connection:
        return connection.run(sql)


def assert_refused(connection: Connection, sql: str) -> None:
    with pytest.raises(DatabaseError) as raised:
        connection.run(sql)
    assert sqlstate(raised.value) == "42501"


def columns(url: str) -> dict[str, tuple[str, bool, str | None]]:
    rows = run(
        url,
        """SELECT attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid)
           FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
           WHERE attrelid = 'feedback'::regclass AND attnum > 0 AND NOT attisdropped""",
    )
    return {name: (kind, required, default) for name, kind, required, default in rows}


def indexes(url: str) -> dict[str, str]:
    rows = run(
        url,
        """SELECT indexrelid::regclass::text, substring(pg_get_indexdef(indexrelid) FROM 'USING.*')
           FROM pg_index WHERE indrelid = 'feedback'::regclass AND indisvalid""",
    )
    return dict(rows)


def files(url: str) -> dict[str, int]:
    """The file on disk of the table and of each index: a rewrite makes a new one."""
    return dict(
        run(
            url,
            """SELECT oid::regclass::text, relfilenode FROM pg_class
               WHERE oid = 'feedback'::regclass OR oid IN (
                   SELECT indexrelid FROM pg_index WHERE indrelid = 'feedback'::regclass)""",
        )
    )


def address(url: str, **parts: str) -> str:
    """The URL with another user, password, host and port or database."""
    netloc = urlsplit(url).netloc
    login, _, server = netloc.rpartition("@")
    login, server = parts.get("login", login), parts.get("server", server)
    path = parts.get("database", urlsplit(url).path.removeprefix("/"))
    return urlsplit(url)._replace(netloc=f"{login}@{server}", path=f"/{path}").geturl()
