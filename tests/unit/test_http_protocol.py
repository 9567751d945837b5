"""uvicorn's server still serves our protocol, and is still imported without its command line."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from function.hosts.connections import TURN
from function.hosts.protocol import HttpProtocol, make_protocol
from function.hosts.server import Config

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Recorder(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False
        self.ended = False
        self.reading = True

    def write(self, data: Any) -> None:
        self.writes.append(data)

    def write_eof(self) -> None:
        self.ended = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is kept."""

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0


async def app(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


Make = Callable[[], HttpProtocol]


async def reading_app(scope: Any, receive: Any, send: Any) -> None:
    while (await receive())["more_body"]:
        pass
    await app(scope, receive, send)


def server(served: Any = app) -> tuple[Make, ServerState]:
    """Return what makes connections as uvicorn's server does, and its state."""
    config = Config(served, http=make_protocol(95), log_config=None, lifespan="off")  # type: ignore[arg-type] # a factory does
    config.load()
    make: Any = config.http_protocol_class
    state = ServerState()
    return partial(make, config, state, {}, asyncio.get_running_loop()), state


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def test_an_answer_is_one_write() -> None:
    """Each write wakes the client."""

    async def exchange() -> list[bytes]:
        make, state = server()
        served, recorder = make(), Recorder()
        served.connection_made(recorder)
        assert state.connections == {served}
        served.data_received(REQUEST)
        await turns(20)
        served.connection_lost(None)
        assert (state.total_requests, state.connections) == (1, set())
        return recorder.writes

    [written] = asyncio.run(exchange())
    assert written.startswith(b"HTTP/1.1 200 OK\r\n")
    assert written.endswith(b"\r\n\r\nok")


def test_a_turn_of_the_event_loop_begins_few_requests_and_all_are_answered() -> None:
    """Also where the server ends meanwhile. The first request of a connection never waits."""

    async def begin_together(number: int) -> int:
        make, state = server()
        served, recorders = [make() for _ in range(number)], [Recorder() for _ in range(number)]
        for one, recorder in zip(served, recorders, strict=True):
            one.connection_made(recorder)
            one.data_received(REQUEST)
        assert len(state.tasks) == number
        await turns(20)
        for one in served:
            one.data_received(REQUEST)
        begun = len(state.tasks)
        for one in served:
            one.shutdown()
        await turns(40)
        assert all(recorder.closed for recorder in recorders)
        assert all(len(recorder.writes) == 2 for recorder in recorders)
        return begun

    assert asyncio.run(begin_together(TURN * 3)) == TURN


def answers(data: bytes, served: Any = app) -> tuple[bytes, Recorder]:
    """Send this, and return what has been written after some turns."""

    async def exchange() -> Recorder:
        make, _ = server(served)
        connection, recorder = make(), Recorder()
        connection.connection_made(recorder)
        connection.data_received(data)
        await turns(20)
        connection.connection_lost(None)
        return recorder

    recorder = asyncio.run(exchange())
    return b"".join(recorder.writes), recorder


CLOSING = REQUEST.replace(b"Host", b"Connection: x, Close\r\nHost")
UPLOAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"
EXPECTING = UPLOAD.replace(b"Host", b"Expect: 100-Continue\r\nHost")


def test_connection_close_ends_the_connection_after_the_answer() -> None:
    """Also without a body: httptools then forgets the option when it has the whole head."""
    written, recorder = answers(CLOSING)
    assert b"\r\nconnection: close\r\n" in written
    assert recorder.closed


@pytest.mark.parametrize(
    "data",
    [CLOSING + REQUEST, UPLOAD.replace(b"1.1", b"1.0"), EXPECTING],
    ids=["another request", "a body", "a body that waits for 100"],
)
def test_a_connection_lets_the_client_read_the_answer_before_it_closes(data: bytes) -> None:
    """What the client still sends would make the kernel reset a closed connection."""
    written, recorder = answers(data)
    assert written.count(b"HTTP/1.1 ") == 1
    assert b"\r\nconnection: close\r\n" in written
    assert recorder.ended
    assert not recorder.closed


def test_requests_that_wait_for_an_answer_stop_the_reading() -> None:
    """Otherwise thousands of clients could fill the memory with what they have sent ahead."""

    async def exchange() -> Recorder:
        make, _ = server()
        served, recorder = make(), Recorder()
        served.connection_made(recorder)
        served.data_received(REQUEST * 200)
        assert not recorder.reading
        await turns(1000)
        return recorder

    recorder = asyncio.run(exchange())
    assert recorder.reading
    assert len(recorder.writes) == 200


def test_an_answer_to_a_request_from_before_the_end_closes_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the server waits for its delay after the signal."""

    async def ending_app(scope: Any, receive: Any, send: Any) -> None:
        monkeypatch.setattr(HttpProtocol, "draining", True)
        await app(scope, receive, send)

    written, recorder = answers(REQUEST, ending_app)
    assert b"\r\nconnection: close\r\n" in written
    assert recorder.closed


def test_only_a_client_of_http_1_1_is_told_to_continue() -> None:
    assert answers(EXPECTING, reading_app)[0] == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answers(EXPECTING.replace(b"1.1", b"1.0"), reading_app)[0] == b""


def test_an_empty_line_does_not_begin_a_head() -> None:
    """It neither ends an idle connection early nor keeps it open."""

    async def closed_after(seconds: float) -> bool:
        make, _ = server()
        served, recorder = make(), Recorder()
        served.connection_made(recorder)
        served.data_received(REQUEST)
        await turns(20)
        served.data_received(b"\r\n")
        served.check(asyncio.get_running_loop().time() + seconds)
        return recorder.closed

    assert not asyncio.run(closed_after(90))
    assert asyncio.run(closed_after(96))


def test_uvicorns_own_command_takes_its_protocol_from_auto() -> None:
    """function/main.py replaces it there."""
    assert AutoHTTPProtocol is HttpToolsProtocol


def test_uvicorn_is_imported_without_its_command_line() -> None:
    program = "import sys, function.hosts.server; sys.exit('click' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    without = "import sys, uvicorn; sys.exit('click' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", without], check=False).returncode == 1
