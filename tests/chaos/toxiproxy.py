"""A TCP proxy that disturbs its connections on demand: https://github.com/Shopify/toxiproxy"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from dev.ports import HOST, free_port
from dev.supervisor import Process
from dev.tools import ToolError, tool
from tests.chaos.fault import LeftOut
from tests.waiting import wait_until


class Toxiproxy:
    """One proxy, `port`, in front of one server."""

    def __init__(self, api: int, upstream: int | None) -> None:
        self.port = free_port()
        self._url = f"http://{HOST}:{api}"
        wait_until(self._answers)
        listen, behind = f"{HOST}:{self.port}", f"{HOST}:{upstream}"
        self._post("/proxies", {"name": "server", "listen": listen, "upstream": behind})

    @contextmanager
    def toxic(self, kind: str, *streams: str, **attributes: int) -> Iterator[None]:
        """Disturb old and new connections in these directions until the end of the block."""
        for stream in streams:
            body = {"name": stream, "type": kind, "stream": stream, "attributes": attributes}
            self._post("/proxies/server/toxics", body)
        try:
            yield
        finally:
            for stream in streams:
                path = f"/proxies/server/toxics/{stream}"
                httpx.delete(f"{self._url}{path}", timeout=30).raise_for_status()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self._url}/version").is_success
        except httpx.TransportError:
            return False

    def _post(self, path: str, body: Mapping[str, object]) -> None:
        httpx.post(f"{self._url}{path}", json=body, timeout=30).raise_for_status()


@contextmanager
def proxied(upstream: int | None, folder: Path) -> Iterator[Toxiproxy]:
    """Run the proxy until the end of the block. Raises LeftOut."""
    try:
        program = tool("toxiproxy")
    except ToolError as exc:
        raise LeftOut(str(exc)) from exc
    api = free_port()
    command: list[str | Path] = [
        program,
        "-host",
        HOST,
        "-port",
        str(api),
        "-seed",
        str(time.time_ns()),
    ]
    with Process(command, log=folder / "toxiproxy.log"):
        yield Toxiproxy(api, upstream)
