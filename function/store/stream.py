"""A connected socket on the event loop: sends a request and collects the answer.

No read blocks, with or without TLS, however the answer is split. ReadyForQuery ends an answer:
https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from ssl import SSLWantReadError, SSLWantWriteError

from function.store.sockets import OTHER_PROTOCOL

HEADER = struct.Struct("!cI")  # a message's type, and its length without the type
READY_FOR_QUERY = b"Z"
TERMINATE = b"X\0\0\0\4"
READ_SIZE = 65536  # bytes; larger than a TLS record, so that OpenSSL's buffer keeps nothing
ANSWER_LIMIT = 64 * 1024 * 1024  # bytes; an answer of 128 rows has a twentieth of it


class Stream:
    """The socket, and one request at a time."""

    def __init__(self, sock: socket.socket, early: bytes, lost: Callable[[], object]) -> None:
        """`early` was received before; `lost` is called when the connection ends."""
        self.error: Exception | None = None
        """Why the connection ended."""
        self.unanswered = False
        """Whether the server may still be at work on a request."""
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._received = bytearray(early)
        self._walked = 0  # bytes of complete messages
        self._unsent = memoryview(b"")
        self._answer: asyncio.Future[bytes] | None = None
        self._lost = lost
        self._loop.add_reader(sock, self._read)

    async def ask(self, request: bytes, limit: float) -> bytes:
        """Return the answer, or the part that arrived before the server closed the connection.

        Raises OSError; TimeoutError when the answer is not complete after `limit` seconds.
        """
        self._answer = self._loop.create_future()
        timer = self._loop.call_later(limit, self._give_up)
        try:
            if self.error:
                self._end(self.error)
            else:
                self.unanswered = True
                self._unsent = memoryview(request)
                self._write()
            return await self._answer
        finally:
            timer.cancel()
            self._answer = None

    def leave(self) -> socket.socket:
        """Take the socket from the event loop, and return it, open."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
        return self._sock

    def close(self) -> None:
        """Close the socket, after a Terminate message if sending it needs no wait."""
        self.leave()
        with suppress(OSError):
            self._sock.send(b"" if self._unsent else TERMINATE)
        self._sock.close()

    def _give_up(self) -> None:
        if not self._unsent:
            self._read()  # the answer may have arrived while the process was stopped
        if self._answer and not self._answer.done():
            self._end(TimeoutError("PostgreSQL is silent"))

    def _write(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except SSLWantReadError:
            pass  # the next read continues
        except (BlockingIOError, SSLWantWriteError):
            self._loop.remove_reader(self._sock)  # OpenSSL can't read before it repeats the write
            self._loop.add_writer(self._sock, self._continue)
        except OSError:
            self._unsent = memoryview(b"")  # the next read finds the server's last words

    def _continue(self) -> None:
        """Write, then read: TLS may have to write before it can read."""
        self._loop.remove_writer(self._sock)
        self._loop.add_reader(self._sock, self._read)
        self._write()
        if not self._unsent:
            self._read()

    def _read(self) -> None:
        try:
            self._collect(self._sock.recv(READ_SIZE))
        except (BlockingIOError, SSLWantReadError):
            pass
        except SSLWantWriteError:
            self._loop.add_writer(self._sock, self._continue)
        except OSError as exc:
            self._end(exc)
        if self._unsent and not self.error:
            self._write()

    def _collect(self, part: bytes) -> None:
        """Go from message to message, each time from where the last one ended."""
        if not part:
            raise ConnectionResetError("the server closed the connection")
        self._received += part
        while len(self._received) - self._walked >= HEADER.size:
            kind, length = HEADER.unpack_from(self._received, self._walked)
            end = self._walked + 1 + length
            if length < 4 or end > ANSWER_LIMIT:
                raise ConnectionError(OTHER_PROTOCOL)
            if end > len(self._received):
                return
            self._walked = end
            if kind == READY_FOR_QUERY:
                self._finish()

    def _finish(self) -> None:
        if not self._answer or self._answer.done():
            raise ConnectionError("the server sent an answer without a request")
        self.unanswered = False
        self._answer.set_result(bytes(self._received[: self._walked]))
        del self._received[: self._walked]
        self._walked = 0

    def _end(self, error: Exception) -> None:
        self.error = error
        self.unanswered = isinstance(error, TimeoutError)
        self.leave()
        if self._answer and not self._answer.done():
            if self._received and isinstance(error, (BrokenPipeError, ConnectionResetError)):
                self._answer.set_result(bytes(self._received))
            else:
                self._answer.set_exception(error)
        self._lost()
