"""The socket on the event loop, with the other end of it in the test's hand."""

import asyncio
import shutil
import socket
import ssl
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop

from function.store.stream import Stream

ROW = b"D\0\0\0\x0a\0\1\0\0\0\0"
READY = b"Z\0\0\0\5I"
NOTICE = b"N\0\0\0\5\0"
FATAL = b"E\0\0\0\x0eC57P01\0M\0\0"

Main = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Main:
    found: Main = request.param
    return found


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Stream, socket.socket, asyncio.Event]]:
    """The stream, the server's end of it, and whether the connection was lost."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    lost = asyncio.Event()
    stream = Stream(ours, b"", lost.set)
    with theirs:
        yield stream, theirs, lost
    stream.close()


async def asking(stream: Stream, server: socket.socket) -> asyncio.Future[bytes]:
    """Ask, and return when the server has heard it."""
    future = asyncio.ensure_future(stream.ask(b"?", 60))
    assert await asyncio.get_running_loop().sock_recv(server, 1) == b"?"
    return future


def test_an_answer_is_whole_however_it_is_split(run: Main) -> None:
    async def main() -> None:
        async with connected() as (stream, server, _):
            for answer in (ROW * 3 + READY, READY, b"D\0\0\0\x0a" + READY + READY):
                asked = await asking(stream, server)
                for byte in answer:
                    await asyncio.sleep(0.001)
                    assert not asked.done()
                    server.send(bytes([byte]))
                assert await asked == answer

    run(main())


def test_a_large_request_goes_out_as_the_server_reads_it(run: Main) -> None:
    async def main() -> None:
        async with connected() as (stream, server, _):
            request = bytes(range(256)) * 8_000
            asked = asyncio.ensure_future(stream.ask(request, 60))
            received = b""
            while len(received) < len(request):  # a write that blocks would never come here
                received += await asyncio.get_running_loop().sock_recv(server, 1 << 20)
            server.send(READY)
            assert await asked == READY
            assert received == request

    run(main())


def test_a_large_answer_is_collected_while_the_loop_goes_on(run: Main) -> None:
    async def main() -> None:
        async with connected() as (stream, server, _):
            asked = await asking(stream, server)
            answer = ROW * 100_000 + READY
            await asyncio.get_running_loop().sock_sendall(server, answer)
            assert await asked == answer

    run(main())


def test_what_comes_while_nothing_is_asked_waits_for_the_next_answer(run: Main) -> None:
    async def main() -> None:
        async with connected() as (stream, server, lost):
            server.send(NOTICE)
            await asyncio.sleep(0.01)
            assert not lost.is_set()
            asked = await asking(stream, server)
            server.send(READY)
            assert await asked == NOTICE + READY

    run(main())


@pytest.mark.parametrize("last", [b"", NOTICE, FATAL])
def test_the_end_is_noticed_while_nothing_is_asked(run: Main, last: bytes) -> None:
    async def main() -> None:
        async with connected() as (stream, server, lost):
            server.send(last)
            server.close()
            await asyncio.wait_for(lost.wait(), 60)
            if last:
                assert await stream.ask(b"?", 60) == last
            else:
                with pytest.raises(ConnectionResetError, match="server closed"):
                    await stream.ask(b"?", 60)

    run(main())


def test_an_answer_that_is_cut_off_is_returned_as_far_as_it_came(run: Main) -> None:
    async def main() -> None:
        async with connected() as (stream, server, _):
            asked = await asking(stream, server)
            server.send(FATAL)
            server.close()
            assert await asked == FATAL

    run(main())


def test_the_reason_is_read_where_the_request_can_not_be_written(run: Main) -> None:
    """A closed connection fails the write first, and still holds PostgreSQL's last message."""

    async def main() -> None:
        async with connected() as (stream, server, _):
            server.send(FATAL)
            server.close()
            assert await stream.ask(b"?", 60) == FATAL

    run(main())


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_new_keys_of_tls_during_a_large_request(run: Main, tmp_path: Path) -> None:
    """A read then has to write, while a write waits. OpenSSL's server gives new keys at a K."""
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
        str(tmp_path / "pem")
    )
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", str(tmp_path / "pem")]
    request = b"\xff" * 4_000_000

    async def main() -> None:
        server = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
        assert server.stdin
        assert server.stdout
        accepting = await server.stdout.readuntil(b"ACCEPT 127.0.0.1:")
        port = int(await server.stdout.readline())
        assert accepting
        sock = await asyncio.to_thread(connect_with_tls, port)
        stream = Stream(sock, b"", asyncio.Event().set)
        try:
            asked = asyncio.ensure_future(stream.ask(request, 60))
            await asyncio.sleep(0.1)
            received = 0
            for _ in range(20):
                server.stdin.write(b"K\n")
                received += (await server.stdout.read(65536)).count(b"\xff")
            while received < len(request):
                received += (await server.stdout.read(65536)).count(b"\xff")
            server.stdin.write(b"Z\0\0\0\5\n")
            assert await asked == b"Z\0\0\0\5\n"
        finally:
            stream.close()
            server.kill()
            await server.communicate()

    run(main())


def connect_with_tls(port: int) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    sock = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 60))
    sock.setblocking(False)
    return sock


def test_silence_is_an_error_after_a_while(run: Main) -> None:
    async def main() -> None:
        async with connected() as (stream, _, lost):
            with pytest.raises(TimeoutError, match="silent"):
                await stream.ask(b"?", 0.01)
            assert lost.is_set()

    run(main())


@pytest.mark.parametrize("nonsense", [READY, b"D\0\0\0\3", b"D\xff\xff\xff\xff"])
def test_what_can_be_no_answer_ends_the_connection(run: Main, nonsense: bytes) -> None:
    async def main() -> None:
        async with connected() as (stream, server, lost):
            server.send(nonsense)
            await asyncio.wait_for(lost.wait(), 60)
            assert isinstance(stream.error, ConnectionError)

    run(main())
