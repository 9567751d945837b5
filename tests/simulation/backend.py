"""A process of PostgreSQL, which serves one connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.simulation import messages
from tests.simulation.database import SqlError
from tests.simulation.network import Link
from tests.simulation.session import Session

if TYPE_CHECKING:
    from tests.simulation.server import Server

FATAL = "FATAL"


class Backend:
    """One connection's process. It notices the client's end only when it reads."""

    def __init__(self, server: Server, link: Link) -> None:
        self.key = server.random.randbytes(4)
        self._server = server
        self._link = link
        self.pid = next(server.pids)
        self._reader = asyncio.StreamReader()
        self._session = Session(server, self, link.to_client)
        self._ending = "silently"
        server.backends[self.pid] = self
        self._task = asyncio.create_task(self._serve())
        self._task.add_done_callback(asyncio.Task.result)  # or the loop reports its exception

    @property
    def commits(self) -> bool:
        """Whether it waits for the standby, with no time limit."""
        return self._session.commits

    def received(self, data: bytes) -> None:
        if data:
            self._reader.feed_data(data)
        else:
            self._reader.feed_eof()

    def end(self, how: str, when: str) -> None:
        """End it: with a `reset`, with the `words` of an administrator's command, or silently."""
        self._server.log(f"process {self.pid} ends ({how}) {when}")
        self._ending = how
        self._task.cancel()

    def cancel(self) -> None:
        """Cancel its statement, if there is one."""
        if self._session.cancel():
            self._server.log(f"process {self.pid} is canceled")

    async def _serve(self) -> None:
        try:
            if await self._greet():
                while True:
                    await self._next()
        except asyncio.IncompleteReadError:
            self._server.log(f"process {self.pid} sees its client leave")
        except SqlError as exc:
            self._link.to_client(messages.error(*exc.args))
        except asyncio.CancelledError:
            if self._ending == "words":
                self._link.to_client(messages.error("57P01", FATAL))
            if self._ending == "reset":
                self._link.cut()
        finally:
            self._session.end()
            del self._server.backends[self.pid]
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
        self._server.note(f"process {self.pid} starts")
        if self._server.refusing:
            raise SqlError(self._server.refusing, FATAL)
        key = messages.message(b"K", self.pid.to_bytes(4) + self.key)
        self._link.to_client(messages.AUTHENTICATED + key + messages.READY)
        return True

    async def _next(self) -> None:
        kind, body = await messages.read_message(self._reader)
        await self._server.thawed.wait()
        if kind == b"X":
            raise asyncio.IncompleteReadError(b"", 1)
        await self._session.handle(kind, body)
