"""uvicorn's server still serves our protocol, and is still imported without its command line."""

import asyncio
import subprocess
import sys
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from function.hosts.protocol import make_protocol
from function.hosts.server import Config

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Recorder(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, data: Any) -> None:
        self.writes.append(data)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def close(self) -> None:
        """There is nothing to close."""

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0


async def app(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


async def exchange() -> tuple[list[bytes], ServerState]:
    config = Config(app, http=make_protocol(95), log_config=None, lifespan="off")  # type: ignore[arg-type]
    config.load()
    state = ServerState()
    make: Any = config.http_protocol_class
    served = make(config, state, {}, asyncio.get_running_loop())
    served.connection_made(recorder := Recorder())
    assert state.connections == {served}
    served.data_received(REQUEST)
    await asyncio.wait(state.tasks)
    await asyncio.sleep(0)
    served.connection_lost(None)
    return recorder.writes, state


def test_an_answer_is_one_write() -> None:
    """Each write wakes the client."""
    [written], state = asyncio.run(exchange())
    assert written.startswith(b"HTTP/1.1 200 OK\r\n")
    assert written.endswith(b"\r\n\r\nok")
    assert (state.total_requests, state.connections, state.tasks) == (1, set(), set())


def test_uvicorns_own_command_takes_its_protocol_from_auto() -> None:
    """`install` replaces it there."""
    assert AutoHTTPProtocol is HttpToolsProtocol


def test_uvicorn_is_imported_without_its_command_line() -> None:
    program = "import sys, function.hosts.server; sys.exit('click' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    without = "import sys, uvicorn; sys.exit('click' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", without], check=False).returncode == 1
