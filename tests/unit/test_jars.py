"""Files of Maven Central: downloaded once, and only with the locked checksum."""

import hashlib
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest

from dev.kafka import jars

CONTENT = bytes(range(256)) * 4096
PATH = "org/apache/kafka/kafka.jar"


class Repository(BaseHTTPRequestHandler):
    requests: ClassVar[int] = 0

    def do_GET(self) -> None:
        type(self).requests += 1
        self.send_response(200 if self.path == f"/maven2/{PATH}" else 404)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[Repository]]:
    class Own(Repository):
        requests: ClassVar[int] = 0

    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(jars, "REPOSITORY", tmp_path / "repository")
    with ThreadingHTTPServer(("127.0.0.1", 0), Own) as server:
        Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        monkeypatch.setattr(jars, "CENTRAL", f"http://127.0.0.1:{server.server_port}/maven2")
        yield Own
        server.shutdown()


@pytest.fixture
def lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    file = tmp_path / "kafka-jars.txt"
    monkeypatch.setattr(jars, "lock_file", lambda _group: file)
    return file


def test_a_file_is_downloaded_once(lock: Path, repository: type[Repository]) -> None:
    lock.write_text(f"{PATH} {hashlib.sha256(CONTENT).hexdigest()}\n")
    for _ in range(2):
        [file] = jars.fetch("kafka")
        assert file.read_bytes() == CONTENT
    assert repository.requests == 1


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("line", [f"{PATH} {'0' * 64}", f"no/such.jar {'0' * 64}"])
def test_another_file_or_none_is_refused(lock: Path, line: str) -> None:
    lock.write_text(f"{line}\n")
    with pytest.raises(jars.DownloadError, match="MAVEN_CENTRAL="):
        jars.fetch("kafka")
    assert not [file for file in jars.REPOSITORY.rglob("*") if file.is_file()]
