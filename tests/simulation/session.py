"""What a process of PostgreSQL does with its client's messages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from function.store.table import SELECT
from tests.simulation import messages
from tests.simulation.database import SqlError, Transaction
from tests.simulation.statements import RESULTS, SET_LIMIT, Work, describe

if TYPE_CHECKING:
    from tests.simulation.backend import Backend
    from tests.simulation.server import Server


class Session:
    """Statements and transactions of one connection."""

    def __init__(self, server: Server, backend: Backend, send: Callable[[bytes], None]) -> None:
        self.commits = False
        """Whether it waits for the standby, with no time limit."""
        self._server = server
        self._backend = backend
        self._send = send
        self._statements: dict[str, str] = {}
        self._bound: tuple[str, list[str]] = ("", [])
        self._output = b""
        self._limits = {"false": 0.0, "true": 0.0}  # seconds, by whether for one transaction
        self._failed = False  # all messages until the next Sync are ignored
        self._transaction = Transaction()
        self._work = Work()
        self._handlers: dict[bytes, Callable[[bytes], Coroutine[Any, Any, None]]] = {
            b"Q": self._query,
            b"P": self._parse,
            b"D": self._describe,
            b"B": self._bind,
            b"E": self._execute,
            b"H": self._flush_now,
            b"S": self._sync,
        }

    def cancel(self) -> bool:
        """Cancel the statement; return whether there is one."""
        return self._work.cancel()

    def end(self) -> None:
        """Give up, but not a commit that waits for the standby: it is in the log already."""
        (self._commit if self.commits else self._rollback)()

    async def handle(self, kind: bytes, body: bytes) -> None:
        """Do what a message asks for."""
        if self._failed and kind != b"S":
            return
        try:
            await self._handlers[kind](body)
        except SqlError as exc:
            await self._server.thawed.wait()
            self._server.log(f"process {self._backend.pid} refuses: {exc.args[0]}")
            self._rollback()
            self._failed = True
            self._output += messages.error(*exc.args)
            if kind in (b"Q", b"S"):
                self._ready()

    async def _query(self, body: bytes) -> None:
        """The statement of set_up()."""
        [sql], _ = messages.texts(body, 1)
        shared = self._server.pooled
        limit = None if shared else self._set_limit(sql)
        types = [messages.TEXT, messages.BOOL, messages.BOOL]
        read_only = "t" if self._server.database.failing == "25006" else "f"
        self._output += messages.row_description(types)
        self._output += messages.data_row([limit, "f", read_only]) + messages.complete("SELECT 1")
        await self._server.step(self._backend, "after a query")
        self._ready()

    async def _parse(self, body: bytes) -> None:
        [name, sql], _ = messages.texts(body, 2)
        self._statements[name] = sql
        self._output += messages.PARSE_COMPLETE

    async def _describe(self, body: bytes) -> None:
        [name], _ = messages.texts(body[1:], 1)
        self._output += messages.row_description(RESULTS[self._statements[name]])

    async def _bind(self, body: bytes) -> None:
        self._bound = messages.bound_values(body)
        if self._server.pooled and self._bound[0]:
            raise SqlError("26000", "ERROR")  # prepared on another connection of the pooler
        self._output += messages.BIND_COMPLETE

    async def _execute(self, _: bytes) -> None:
        name, values = self._bound
        sql = self._statements[name]
        if sql not in RESULTS:
            self._set_limit(sql)
            self._output += messages.complete("SELECT 0")
            return
        what = "SELECT" if sql == SELECT else "INSERT"
        self._server.note(f"process {self._backend.pid} runs {what} {describe(values[0])}")
        await self._server.step(self._backend, "before a statement")
        limit = self._limits["true"] or self._limits["false"] or None
        rows = await self._work.run(self._rows(sql, values[0]), limit)
        self._output += b"".join(map(messages.data_row, rows))
        self._output += messages.complete(f"SELECT {len(rows)}")
        await self._server.step(self._backend, "after a statement")
        if self._server.random.random() < 0.2:  # PostgreSQL sends every 8 KB
            self._flush()

    async def _flush_now(self, _: bytes) -> None:
        self._flush()

    async def _rows(self, sql: str, parameter: str) -> list[list[str | None]]:
        await self._server.thawed.wait()
        if sql == SELECT:
            return self._server.database.select(parameter)
        created = await self._server.database.insert(self._transaction, parameter, asyncio.sleep)
        return [[json.dumps(created)]]

    async def _sync(self, _: bytes) -> None:
        if not self._failed:
            await self._server.step(self._backend, "before a commit")
            if self._transaction.refusal:
                raise SqlError(self._transaction.refusal, "ERROR")
            await self._wait_for_standby()
            self._commit()
            await self._server.step(self._backend, "after a commit")
        self._ready()

    async def _wait_for_standby(self) -> None:
        if not self._transaction.rows or self._server.standby.is_set():
            return
        self.commits = True
        try:
            await self._work.run(self._server.standby.wait(), None)
        except SqlError:
            self._output += messages.error("01000", "WARNING", b"N")
            for row in self._transaction.rows.values():
                row.replicated = False
        self.commits = False

    def _set_limit(self, sql: str) -> str | None:
        if match := SET_LIMIT.search(sql):
            self._limits[match[2]] = int(match[1]) / 1000
            return match[1]
        return None

    def _ready(self) -> None:
        self._failed = False
        self._limits["true"] = 0.0
        self._output += messages.READY
        self._flush()

    def _flush(self) -> None:
        self._send(self._output)
        self._output = b""

    def _commit(self) -> None:
        self._server.database.commit(self._transaction)
        self._transaction = Transaction()

    def _rollback(self) -> None:
        self._server.database.forget(self._transaction)
        self._transaction = Transaction()
