"""The container's server: uvicorn without its command line, with a delay after SIGTERM."""

import socket
import sys
import threading
from types import FrameType, ModuleType

# `import uvicorn` imports uvicorn.main, the command line, which needs click: 18 ms of a cold start.
COMMAND_LINE = ModuleType("uvicorn.main")
vars(COMMAND_LINE).update(Server=None, main=None, run=None)
sys.modules.setdefault(COMMAND_LINE.__name__, COMMAND_LINE)

from uvicorn.config import Config  # noqa: E402 - after the stand-in
from uvicorn.server import Server  # noqa: E402 - as above

from function.hosts.protocol import HttpProtocol  # noqa: E402 - as above

__all__ = ["Config", "HttpProtocol", "PatientServer", "Server"]

LISTENERS = 32


class PatientServer(Server):
    """uvicorn's server, which accepts requests for `delay` more seconds after the first signal.

    Some platforms send the signal before they stop sending requests. Each answer after it closes
    its connection. A second signal ends the delay.
    """

    def __init__(self, config: Config, delay: float) -> None:
        super().__init__(config)
        self._delay = delay

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen with several descriptors of one socket, and serve.

        libuv accepts one connection of a descriptor in a turn of the event loop (libuv/libuv#3696).
        With one descriptor, probes of a busy instance would wait for seconds.
        """
        listener = self._bind()
        super().run([listener, *(listener.dup() for _ in range(LISTENERS - 1))])

    def _bind(self) -> socket.socket:
        """Take connections of IPv6, too: a pod may have no other address for its probes."""
        try:
            address = ("", self.config.port)
            return socket.create_server(address, family=socket.AF_INET6, dualstack_ipv6=True)
        except (OSError, ValueError):  # without IPv6; uvicorn tells whether the port is the cause
            return self.config.bind_socket()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        HttpProtocol.draining = True
        delay, self._delay = self._delay, 0
        if not delay:
            super().handle_exit(sig, frame)
            return
        timer = threading.Timer(delay, setattr, (self, "should_exit", True))
        timer.daemon = True
        timer.start()
