"""hypercorn for Knative func: its documented settings, and the methods that have none.

docs/hosts.md names the reasons, and the test of each use.
"""

import asyncio
import logging
from typing import Any

from function.hosts import limits
from function.hosts.refusals import CODING, INVALID, TOO_LARGE, VERSION
from function.settings import DRAIN_TIMEOUT

END_TICK = 0.05  # seconds
REFUSALS = {refusal.status: refusal for refusal in (TOO_LARGE, CODING, VERSION)}


def adapt_hypercorn(keep_alive_timeout: float) -> None:
    """Make hypercorn guarantee what the other hosts do."""
    _configure(keep_alive_timeout)
    _replace_reading()
    _read_only_requests()
    _ignore_upgrades()
    _refuse_in_our_form()


def _configure(keep_alive_timeout: float) -> None:
    """Set documented settings of hypercorn.

    func-python makes hypercorn's configuration itself, after this, and takes no settings for it.
    """
    from hypercorn.config import Config

    Config.graceful_timeout = DRAIN_TIMEOUT  # 3 s are too short for a model
    Config.keep_alive_timeout = keep_alive_timeout
    Config.keep_alive_max_requests = 1 << 62  # proxies decide how long they use a connection
    Config.backlog = limits.BACKLOG
    Config.h11_max_incomplete_size = limits.HEAD_LIMIT
    Config.errorlog = logging.getLogger("hypercorn.error")  # its own prints the texts of errors


def _replace_reading() -> None:
    """Read connections with limits that hypercorn 0.17 has no settings for.

    A head may take HEAD_TIMEOUT. Above the limit of connections a new one replaces the one that has
    been silent longest. A client that sends all and half-closes gets its answers; hypercorn would
    drop them, and close the connection after keep_alive_timeout.
    """
    from hypercorn.asyncio.tcp_server import MAX_RECV, TCPServer
    from hypercorn.events import Closed, RawData

    limit = limits.set_connection_limit()
    connections: dict[Any, None] = {}  # the longest silent one first

    async def read(self: Any) -> None:
        _make_room(connections, limit)
        deadline: float | None = asyncio.get_running_loop().time() + limits.HEAD_TIMEOUT
        data = None
        try:
            while data != b"":
                connections.pop(self, None)
                connections[self] = None
                async with asyncio.timeout_at(deadline):
                    data = await self.reader.read(MAX_RECV)
                await self.protocol.handle(RawData(data))
                deadline = _head_deadline(self.protocol.protocol, deadline)
            while _can_answer(self.protocol.protocol):  # noqa: ASYNC110 - has no event
                await asyncio.sleep(END_TICK)
        except OSError:  # TimeoutError, too
            pass
        finally:
            connections.pop(self, None)
        await self.protocol.handle(Closed())
        await self.idle_task.stop()

    TCPServer._read_data = read  # noqa: SLF001 - no setting


def _make_room(connections: dict[Any, None], limit: int) -> None:
    """End a connection that waits for its client, if as many as the limit are open."""
    if len(connections) >= limit:
        waiting = (one for one in connections if not _in_answer(one.protocol.protocol))
        if longest := next(waiting, None):
            del connections[longest]
            longest.writer.transport.abort()


def _in_answer(protocol: Any) -> bool:
    """Whether a request is under way."""
    return protocol.stream is not None


def _can_answer(protocol: Any) -> bool:
    """Whether all of that request has come: else it has been refused, or never will."""
    from h11 import ERROR

    return _in_answer(protocol) and protocol.connection.their_state is not ERROR


def _head_deadline(protocol: Any, deadline: float | None) -> float | None:
    """Return when a head that has begun must have ended, on the event loop's clock."""
    if protocol.stream or not protocol.connection.trailing_data[0]:
        return None
    return deadline or asyncio.get_running_loop().time() + limits.HEAD_TIMEOUT


def _read_only_requests() -> None:
    """Skip empty lines before a request (RFC 9112, 2.2), and all that comes behind the last one.

    h11 would refuse them with 400, which could take the place of the last answer.
    """
    import h11
    from hypercorn.protocol.h11 import H11Protocol

    class Connection(h11.Connection):
        def receive_data(self, data: bytes) -> None:
            if self.their_state is not h11.MUST_CLOSE:
                super().receive_data(data)

        def next_event(self) -> Any:
            if self.their_state is h11.MUST_CLOSE:
                return h11.NEED_DATA
            if self.their_state is h11.IDLE:
                data = self.trailing_data[0]
                self._receive_buffer.maybe_extract_at_most(len(data) - len(data.lstrip(b"\r\n")))
            return super().next_event()

    async def initiate(self: Any) -> None:
        size = self.config.h11_max_incomplete_size
        self.connection = Connection(h11.SERVER, max_incomplete_event_size=size)

    H11Protocol.initiate = initiate


def _ignore_upgrades() -> None:
    """Let hypercorn answer an offer of h2c or WebSocket as if it was not there (RFC 9110, 7.8).

    A proxy that passes on an offer of h2c would not see the requests that come after it. WebSocket
    would never be answered. HTTP/2 without an offer would evade all limits: a client could hold a
    hundred answers on each connection, and a request that gets its answer before the end of its
    body would end all others of the connection.
    """
    from h11 import Request
    from hypercorn.protocol.h11 import H11Protocol

    create = H11Protocol._create_stream  # noqa: SLF001 - as below

    async def check_protocol(self: Any, request: Request) -> None:
        """Stay with HTTP/1, whose application refuses any other version."""

    async def create_stream(self: Any, request: Request) -> None:
        headers = [(name, value) for name, value in request.headers if name != b"upgrade"]
        if len(headers) < len(request.headers):
            version = request.http_version
            request = Request(
                method=request.method, headers=headers, target=request.target, http_version=version
            )
        await create(self, request)

    H11Protocol._check_protocol = check_protocol  # noqa: SLF001 - no setting
    H11Protocol._create_stream = create_stream  # noqa: SLF001 - no setting


def _refuse_in_our_form() -> None:
    """Give hypercorn's own refusals a body; each answer has a code and an id."""
    from hypercorn.events import RawData
    from hypercorn.protocol.h11 import H11Protocol

    async def send_error_response(self: Any, status_code: int) -> None:
        self.connection.send_failed()  # no answer of the application may follow
        refusal = REFUSALS.get(status_code, INVALID)
        await self.send(RawData(refusal.response(self.config.response_headers("h11"))))

    H11Protocol._send_error_response = send_error_response  # noqa: SLF001 - no setting
