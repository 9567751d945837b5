"""What PostgreSQL keeps: rows by their primary key, and transactions that hold ids."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from function.store.table import COLUMNS

EPOCH = datetime(2026, 2, 16)  # noqa: DTZ001 - of the simulated clock, in UTC


class SqlError(Exception):
    """PostgreSQL refuses a statement. `args` are the SQLSTATE and the severity."""


@dataclass
class Row:
    """A committed row."""

    columns: dict[str, Any]
    created_at: str
    replicated: bool = True
    """Whether the synchronous standby has it, too."""


@dataclass
class Transaction:
    """What is inserted, but not committed."""

    rows: dict[str, Row] = field(default_factory=dict)
    refusal: str | None = None
    """SQLSTATE with which a deferred constraint fails the commit."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Database:
    """The table `feedback`, and what is wrong with it at the moment."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self.rows: dict[str, Row] = {}
        self.failing: str | None = None  # SQLSTATE of each insert
        self.failing_with_rows: str | None = None  # the same, without rows it succeeds
        self.log = log
        self._held: dict[str, Transaction] = {}

    async def insert(
        self, transaction: Transaction, parameter: str, sleep: Callable[[float], Awaitable[None]]
    ) -> dict[str, str]:
        """INSERT ... ON CONFLICT (id) DO NOTHING RETURNING id, created_at"""
        entries = json.loads(parameter)
        for sqlstate in (self.failing, self.failing_with_rows if entries else None):
            if sqlstate:
                raise SqlError(sqlstate, "ERROR")
        for entry in entries:
            if await _interfere(transaction, entry["message"], sleep):
                await self._insert_one(transaction, entry)
        return {row_id: row.created_at for row_id, row in transaction.rows.items()}

    async def _insert_one(self, transaction: Transaction, entry: dict[str, Any]) -> None:
        row_id = entry["id"]
        while (holder := self._held.get(row_id, transaction)) is not transaction:
            await holder.ended.wait()
        if row_id not in self.rows and row_id not in transaction.rows:
            self._held[row_id] = transaction
            now = EPOCH + timedelta(seconds=asyncio.get_running_loop().time())
            transaction.rows[row_id] = Row(entry, f"{now.isoformat(timespec='microseconds')}Z")

    def select(self, parameter: str) -> list[list[str | None]]:
        """SELECT ... WHERE id IN (...)"""
        return [
            [*map(_text, (row.columns[name] for name in COLUMNS)), row.created_at]
            for row_id in dict.fromkeys(json.loads(parameter))
            if (row := self.rows.get(row_id))
        ]

    def commit(self, transaction: Transaction) -> None:
        """Make its rows visible."""
        if transaction.rows:
            self.log(f"PostgreSQL commits {_short(transaction.rows)}")
        self.rows |= transaction.rows
        self.forget(transaction)

    def forget(self, transaction: Transaction) -> None:
        """Free its ids; without a commit, its rows are gone."""
        self._held = {key: it for key, it in self._held.items() if it is not transaction}
        transaction.rows = {}
        transaction.ended.set()


async def _interfere(
    transaction: Transaction, message: str, sleep: Callable[[float], Awaitable[None]]
) -> bool:
    """Do what the message asks a trigger for; return whether the row is to be inserted."""
    match message.split():
        case ["refuse", sqlstate, *_]:
            raise SqlError(sqlstate, "ERROR")
        case ["defer", sqlstate, *_]:
            transaction.refusal = sqlstate
        case ["sleep", seconds, *_]:
            await sleep(float(seconds))
        case ["vanish", *_]:
            return False
    return True


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _short(rows: dict[str, Row]) -> str:
    return ", ".join(row.columns["message"] for row in rows.values())
