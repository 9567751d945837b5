"""Serves the dashboards of deploy/observe as pages: http://HOST:PORT/service."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

from plotly.offline import get_plotlyjs

from dev.http_server import Request, serving
from dev.observe.page import render
from dev.observe.programs import FILES
from dev.observe.query import Prometheus, Window
from dev.ports import HOST

DASHBOARDS = FILES / "dashboards"
RESOLUTION = 5.0  # seconds: finer steps show noise


@contextmanager
def dashboards(prometheus: Prometheus, seconds: float) -> Iterator[str]:
    """Serve pages of the last `seconds` until the end of the block; yields their address."""

    def show(request: Request) -> None:
        file = DASHBOARDS / f"{request.path.strip('/')}.json"
        if request.path == "/plotly.min.js":
            send(request, 200, get_plotlyjs(), "text/javascript")
        elif file.parent == DASHBOARDS and file.exists():
            now = time.time()
            dashboard = json.loads(file.read_text(encoding="utf-8"))
            window = Window(now - seconds, now, RESOLUTION)
            send(request, 200, render(dashboard, prometheus, window), "text/html")
        else:
            send(request, 404, "There is no such dashboard.", "text/plain")

    def send(request: Request, status: int, text: str, kind: str) -> None:
        request.answer(status, text.encode(), {"Content-Type": f"{kind}; charset=utf-8"})

    with serving(show) as port:
        yield f"http://{HOST}:{port}"
