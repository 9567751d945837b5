"""Serves the dashboards of deploy/observe as pages: http://HOST:PORT/service."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from plotly.offline import get_plotlyjs

from dev.observe.page import render
from dev.observe.programs import FILES
from dev.observe.query import Prometheus, Window
from dev.ports import HOST

DASHBOARDS = FILES / "dashboards"
RESOLUTION = 5.0  # seconds: finer steps show noise


@contextmanager
def dashboards(prometheus: Prometheus, seconds: float) -> Iterator[str]:
    """Serve pages of the last `seconds` until the end of the block; yields their address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            file = DASHBOARDS / f"{self.path.strip('/')}.json"
            if self.path == "/plotly.min.js":
                self._send(200, get_plotlyjs(), "text/javascript")
            elif file.parent == DASHBOARDS and file.exists():
                now = time.time()
                dashboard = json.loads(file.read_text(encoding="utf-8"))
                window = Window(now - seconds, now, RESOLUTION)
                self._send(200, render(dashboard, prometheus, window), "text/html")
            else:
                self._send(404, "There is no such dashboard.", "text/plain")

        def _send(self, status: int, text: str, kind: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{HOST}:{server.server_port}"
        server.shutdown()
