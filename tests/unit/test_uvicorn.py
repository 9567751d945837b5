"""What function/hosts uses of uvicorn's insides is still as it takes it to be."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from function.hosts.connections import TURN
from function.hosts.server import Config
from function.hosts.uvicorn import make_protocol

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
        return Mock(spec=socket.socket) if name == "socket" else default

    def pause_reading(self) -> None:
        """Nothing is read."""

    def resume_reading(self) -> None:
        """Nothing is read."""

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is no buffer."""


async def app(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def writes(protocol: Callable[..., HttpToolsProtocol]) -> list[bytes]:
    config = Config(app, log_config=None, lifespan="off")
    config.load()
    served = protocol(config, ServerState(), {}, asyncio.get_running_loop())
    served.connection_made(recorder := Recorder())
    served.data_received(REQUEST)
    await turns(20)
    served.connection_lost(None)
    return recorder.writes


@pytest.mark.parametrize(("protocol", "count"), [(HttpToolsProtocol, 2), (make_protocol(95), 1)])
def test_a_response_is_one_write_instead_of_two(
    protocol: Callable[..., HttpToolsProtocol], count: int
) -> None:
    found = asyncio.run(writes(protocol))
    assert len(found) == count
    assert b"".join(found).endswith(b"\r\n\r\nok")


def test_uvicorn_is_imported_without_its_command_line() -> None:
    program = "import sys, function.hosts.server; sys.exit('click' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    without = "import sys, uvicorn; sys.exit('click' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", without], check=False).returncode == 1


async def begun_together(number: int) -> tuple[int, int]:
    """Of so many second requests that come at once, how many begin, and how many are answered.

    Meanwhile the server begins to end.
    """
    config = Config(app, log_config=None, lifespan="off")
    config.load()
    make, state, recorders = make_protocol(95), ServerState(), [Recorder() for _ in range(number)]
    served = [make(config, state, {}, asyncio.get_running_loop()) for _ in range(number)]
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
    return begun, sum(len(recorder.writes) == 2 for recorder in recorders)


def test_a_turn_of_the_event_loop_begins_few_requests_and_all_are_answered() -> None:
    assert asyncio.run(begun_together(TURN * 3)) == (TURN, TURN * 3)
