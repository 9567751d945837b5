"""uvicorn's server still serves our protocol, and is still imported without its command line."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

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

    def write(self, data: Any) -> None:
        self.writes.append(data)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None:
        """Nothing is read."""

    def resume_reading(self) -> None:
        """Nothing is read."""

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


def server() -> tuple[Make, ServerState]:
    """Return what makes connections as uvicorn's server does, and its state."""
    config = Config(app, http=make_protocol(95), log_config=None, lifespan="off")  # type: ignore[arg-type] # a factory does
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


def test_uvicorns_own_command_takes_its_protocol_from_auto() -> None:
    """`install` replaces it there."""
    assert AutoHTTPProtocol is HttpToolsProtocol


def test_uvicorn_is_imported_without_its_command_line() -> None:
    program = "import sys, function.hosts.server; sys.exit('click' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    without = "import sys, uvicorn; sys.exit('click' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", without], check=False).returncode == 1
