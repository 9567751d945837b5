"""The page at /docs in a real Chromium, driven through chromedriver: `pytest -m browser`.

https://www.w3.org/TR/webdriver2/
"""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from dev.ports import free_port
from tests.conftest import open_connection
from tests.instance import Instance, running
from tests.waiting import wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
CHROMEDRIVER = shutil.which("chromedriver") or ""
NAME = "mentor.example"  # Swagger UI may contact an external validator, but not for localhost
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--window-size=1200,2400",
    f"--host-resolver-rules=MAP {NAME} 127.0.0.1",
]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (CHROMIUM and CHROMEDRIVER),
        reason="chromium or chromedriver is missing (Debian: chromium, chromium-driver)",
    ),
]
BUILT_IN = ("data:", "chrome:", "about:", "blob:")  # URLs that need no network
CLICK = "document.querySelector(arguments[0]).click()"
VALUE = "return document.querySelector(arguments[0])?.value"
PATHS = """return [...document.querySelectorAll(".opblock-summary-path")]
    .map(path => path.innerText.replaceAll("\\u200b", ""))"""
POST = ".opblock-post"  # the first of them is /api/v1/feedback


class Browser:
    """One window of Chromium."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def open(self, url: str) -> None:
        self._client.post("url", json={"url": url}).raise_for_status()

    def run(self, script: str, *arguments: str) -> Any:
        document = {"script": script, "args": list(arguments)}
        answer = self._client.post("execute/sync", json=document)
        answer.raise_for_status()
        return answer.json()["value"]

    def text(self, selector: str) -> str:
        found = "const found = document.querySelector(arguments[0]); return found?.innerText ?? ''"
        return str(self.run(found, selector))

    def console(self) -> list[str]:
        """Return the errors in the page's console."""
        log = self._client.post("se/log", json={"type": "browser"}).json()["value"]
        return [entry["message"] for entry in log if entry["level"] == "SEVERE"]

    def requested(self) -> set[str]:
        """Return every URL that the browser has requested."""
        log = self._client.post("se/log", json={"type": "performance"}).json()["value"]
        events = [json.loads(entry["message"])["message"] for entry in log]
        return {
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        }


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    base = f"http://127.0.0.1:{(port := free_port())}/"
    driver = subprocess.Popen([CHROMEDRIVER, f"--port={port}"], stdout=subprocess.DEVNULL)
    chrome = {"binary": CHROMIUM, "args": [*OPTIONS, f"--user-data-dir={tmp_path / 'profile'}"]}
    logs = {"browser": "ALL", "performance": "ALL"}
    wanted = {"alwaysMatch": {"goog:chromeOptions": chrome, "goog:loggingPrefs": logs}}
    try:
        wait_until(lambda: is_ready(base))
        session = httpx.post(f"{base}session", json={"capabilities": wanted}, timeout=60)
        session.raise_for_status()
        url = f"{base}session/{session.json()['value']['sessionId']}/"
        with httpx.Client(base_url=url, timeout=60) as client:
            yield Browser(client)
            client.delete(url.rstrip("/"))
    finally:
        driver.terminate()
        driver.wait()


def is_ready(driver: str) -> bool:
    try:
        return bool(httpx.get(f"{driver}status").json()["value"]["ready"])
    except httpx.TransportError:
        return False


@pytest.fixture
def function(feedback_database: str, tmp_path: Path) -> Iterator[Instance]:
    with running(tmp_path / "log", feedback_database) as instance:
        yield instance.wait_until_ready()


@pytest.fixture
def gateway(function: Instance) -> Iterator[str]:
    """Serve the function below a path, as OpenFaaS does, and return that URL."""

    class Forward(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, found, path = self.path.partition("/function/mentor")
            answer = function.get(path or "/", Accept=self.headers["Accept"])
            self.send_response(answer.status if found else 404)
            for name in {"content-type", "content-length", "location"} & answer.headers.keys():
                self.send_header(name, answer.headers[name])
            self.end_headers()
            self.wfile.write(answer.body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Forward) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://{NAME}:{server.server_port}/function/mentor"
        server.shutdown()


@pytest.mark.parametrize("slash", ["", "/"])
def test_address_below_a_path(browser: Browser, gateway: str, slash: str) -> None:
    """The function's address leads to the page, also behind a gateway's path."""
    browser.open(f"{gateway}{slash}")
    wait_until(lambda: browser.text(POST) != "")
    assert browser.run("return location.href") == f"{gateway}/docs"
    assert browser.console() == []


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_docs_page(function: Instance, browser: Browser, feedback_database: str, path: str) -> None:
    """Feedback can be sent from the page, and no other server is contacted."""
    base = f"http://{NAME}:{function.port}/"
    browser.open(f"{base.rstrip('/')}{path}")
    wait_until(lambda: browser.text(POST) != "")
    assert browser.run(PATHS) == list(function.get("/openapi.json").json()["paths"])

    browser.run(CLICK, f"{POST} .opblock-summary-control")
    wait_until(lambda: bool(browser.run(VALUE, f"{POST} textarea")))
    browser.run(CLICK, f"{POST} .execute")
    status = f"{POST} .live-responses-table .response .response-col_status"
    wait_until(lambda: browser.text(status) != "")

    assert browser.text(status) == "200"
    assert '"strategy_snapshot"' in browser.text(f"{POST} .live-responses-table")
    with closing(open_connection(feedback_database)) as connection:
        assert connection.run("SELECT count(*) FROM feedback") == [[1]]
    requested = browser.requested()
    assert f"{base}api/v1/feedback" in requested
    assert {url for url in requested if not url.startswith((base, *BUILT_IN))} == set()
    assert browser.console() == []
