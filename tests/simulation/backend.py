"""A process of PostgreSQL, which serves one connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from function.store.table import SELECT
from tests.simulation import messages
from tests.simulation.database import SqlError, Transaction
from tests.simulation.network import Link
from tests.simulation.statements import RESULTS, SET_LIMIT, Work, describe

if TYPE_CHECKING:
    from tests.simulation.server import Server

FATAL = "FATAL"


class Backend:
    """One connection's process. It notices the client's end only when it reads."""

    def __init__(self, server: Server, link: Link) -> None:
        self.key = server.random.randbytes(4)
        self.commits = False
        """Whether it waits for the standby, with no time limit."""
        self._server = server
        self._link = link
        self._pid = next(server.pids)
        self._reader = asyncio.StreamReader()
        self._statements: dict[str, str] = {}
        self._bound: tuple[str, list[str]] = ("", [])
        self._output = b""
        self._limits = {"false": 0.0, "true": 0.0}  # seconds, by whether for one transaction
        self._failed = False  # all messages until the next Sync are ignored
        self._transaction = Transaction()
        self._work = Work()
        self._ending = "silently"
        server.backends[self._pid] = self
        self._task = asyncio.create_task(self._serve())
        self._task.add_done_callback(asyncio.Task.result)  # or the loop reports its exception
        self._handlers: dict[bytes, Callable[[bytes], Coroutine[Any, Any, None]]] = {
            b"Q": self._query,
            b"P": self._parse,
            b"D": self._describe,
            b"B": self._bind,
            b"E": self._execute,
            b"H": self._flush_now,
            b"S": self._sync,
        }

    def received(self, data: bytes) -> None:
        if data:
            self._reader.feed_data(data)
        else:
            self._reader.feed_eof()

    def end(self, how: str, when: str) -> None:
        """End it: with a `reset`, with the `words` of an administrator's command, or silently."""
        self._server.log(f"process {self._pid} ends ({how}) {when}")
        self._ending = how
        self._task.cancel()

    def cancel(self) -> None:
        """Cancel its statement, if there is one."""
        if self._work.cancel():
            self._server.log(f"process {self._pid} is canceled")

    async def _serve(self) -> None:
        try:
            if await self._greet():
                while True:
                    await self._next()
        except asyncio.IncompleteReadError:
            self._server.log(f"process {self._pid} sees its client leave")
        except SqlError as exc:
            self._link.to_client(messages.error(*exc.args))
        except asyncio.CancelledError:
            if self._ending == "words":
                self._link.to_client(messages.error("57P01", FATAL))
            if self._ending == "reset":
                self._link.cut()
        finally:
            # A commit that a standby has not confirmed is in the log already.
            (self._commit if self.commits else self._rollback)()
            del self._server.backends[self._pid]
            self._link.to_client(b"")

    async def _greet(self) -> bool:
        code, body = await messages.read_greeting(self._reader)
        if code == messages.SSL_REQUEST:
            self._link.to_client(b"N")
            code, body = await messages.read_greeting(self._reader)
        await self._server.step(self, "while it greets")
        if code == messages.CANCEL_REQUEST:
            self._server.cancel(int.from_bytes(body[:4]), body[4:])
            return False
        self._server.note(f"process {self._pid} starts")
        if self._server.refusing:
            raise SqlError(self._server.refusing, FATAL)
        key = messages.message(b"K", self._pid.to_bytes(4) + self.key)
        self._link.to_client(messages.AUTHENTICATED + key + messages.READY)
        return True

    async def _next(self) -> None:
        kind, body = await messages.read_message(self._reader)
        await self._server.thawed.wait()
        if kind == b"X":
            raise asyncio.IncompleteReadError(b"", 1)
        if self._failed and kind != b"S":
            return
        try:
            await self._handlers[kind](body)
        except SqlError as exc:
            await self._server.thawed.wait()
            self._server.log(f"process {self._pid} refuses: {exc.args[0]}")
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
        await self._server.step(self, "after a query")
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
        self._server.note(f"process {self._pid} runs {what} {describe(values[0])}")
        await self._server.step(self, "before a statement")
        limit = self._limits["true"] or self._limits["false"] or None
        rows = await self._work.run(self._rows(sql, values[0]), limit)
        self._output += b"".join(map(messages.data_row, rows))
        self._output += messages.complete(f"SELECT {len(rows)}")
        await self._server.step(self, "after a statement")
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
            await self._server.step(self, "before a commit")
            if self._transaction.refusal:
                raise SqlError(self._transaction.refusal, "ERROR")
            await self._wait_for_standby()
            self._commit()
            await self._server.step(self, "after a commit")
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
        self._link.to_client(self._output)
        self._output = b""

    def _commit(self) -> None:
        self._server.database.commit(self._transaction)
        self._transaction = Transaction()

    def _rollback(self) -> None:
        self._server.database.forget(self._transaction)
        self._transaction = Transaction()
