"""A connected socket on the event loop: a request goes out, and its answer is collected.

No read waits, with TLS or without, however the answer is split. An answer ends with ReadyForQuery:
https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from ssl import SSLWantReadError, SSLWantWriteError

HEADER = struct.Struct("!cI")  # a message's kind, and its length without the kind
READY_FOR_QUERY = b"Z"
TERMINATE = b"X\0\0\0\4"
READ_SIZE = 65536  # bytes; more than a record of TLS, so that nothing is left in OpenSSL's buffer
ANSWER_LIMIT = 64 * 1024 * 1024  # bytes; 128 rows are a twentieth of it


class Stream:
    """The socket, while it belongs to the loop. One request at a time."""

    def __init__(self, sock: socket.socket, early: bytes, lost: Callable[[], object]) -> None:
        """`early` was received before; `lost` is called when the connection ends."""
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self.received = bytearray(early)
        """What came and is no whole answer."""
        self._walked = 0  # the bytes of whole messages
        self._unsent = memoryview(b"")
        self._answer: asyncio.Future[bytes] | None = None
        self._lost = lost
        self.error: Exception | None = None
        """Why the connection ended."""
        self._loop.add_reader(sock, self._receive)

    async def ask(self, request: bytes, limit: float) -> bytes:
        """Return the answer, or as much of it as came before the connection ended.

        Raises OSError; TimeoutError when the answer is not there in `limit` seconds.
        """
        if self.error:
            raise self.error
        self._answer = self._loop.create_future()
        timer = self._loop.call_later(limit, self._give_up)
        try:
            self._unsent = memoryview(request)
            self._send()
            return await self._answer
        finally:
            timer.cancel()
            self._answer = None

    def _give_up(self) -> None:
        """End, unless the answer came while the process was stopped."""
        if self._answer and not self._answer.done():
            self._end(TimeoutError("PostgreSQL is silent"))

    def leave(self) -> None:
        """Take the socket from the event loop; it stays open. Harmless the second time."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)

    def close(self) -> None:
        """Close the socket, after a goodbye if that needs no wait. Harmless the second time."""
        self.leave()
        with suppress(OSError):
            self._sock.send(b"" if self._unsent else TERMINATE)
        self._sock.close()

    def _send(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except SSLWantReadError:
            pass  # what is received tries again
        except (BlockingIOError, SSLWantWriteError):
            self._loop.add_writer(self._sock, self._continue)
        except OSError as exc:
            self._end(exc)

    def _continue(self) -> None:
        """The socket takes more: TLS may want to send for a read, too."""
        self._loop.remove_writer(self._sock)
        self._send()
        if not self.error:
            self._receive()

    def _receive(self) -> None:
        try:
            part = self._sock.recv(READ_SIZE)
        except (BlockingIOError, SSLWantReadError):
            return
        except SSLWantWriteError:
            self._loop.add_writer(self._sock, self._continue)
            return
        except OSError as exc:
            self._end(exc)
            return
        if not part:
            self._end(ConnectionResetError("the server closed the connection"))
            return
        self.received += part
        self._walk()
        if self._unsent:
            self._send()

    def _walk(self) -> None:
        """Go on from message to message, each byte of them once."""
        received = self.received
        while len(received) - self._walked >= HEADER.size:
            kind, length = HEADER.unpack_from(received, self._walked)
            end = self._walked + 1 + length
            if length < 4 or end > ANSWER_LIMIT:
                self._end(ConnectionError("the server's answer makes no sense"))
                return
            if end > len(received):
                return
            self._walked = end
            if kind == READY_FOR_QUERY:
                self._finish()

    def _finish(self) -> None:
        answer = bytes(self.received[: self._walked])
        del self.received[: self._walked]
        self._walked = 0
        if self._answer is None or self._answer.done():
            self._end(ConnectionError("the server answered what nobody asked"))
        else:
            self._answer.set_result(answer)

    def _end(self, error: Exception) -> None:
        self.error = self.error or error
        self.leave()
        if self._answer and not self._answer.done():
            if self.received and isinstance(error, ConnectionResetError):
                self._answer.set_result(bytes(self.received))
            else:
                self._answer.set_exception(error)
        self._lost()
