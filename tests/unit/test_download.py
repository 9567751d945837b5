"""Downloads from Maven Central, on lines that break."""

import hashlib
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import httpx
import pytest

from dev.kafka import download
from dev.kafka.download import Download, DownloadError

CONTENT = bytes(range(256)) * 4096
CHECKSUM = hashlib.sha256(CONTENT).hexdigest()
PATH = "org/apache/kafka/kafka.jar"


class Repository(BaseHTTPRequestHandler):
    """Serves CONTENT, and breaks off after `gives` bytes of each answer."""

    gives: ClassVar[int] = len(CONTENT)
    knows_ranges: ClassVar[bool] = True
    ranges: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.ranges.append(wanted)
        if self.path != f"/maven2/{PATH}":
            self.send_error(404)
            return
        start = int(wanted[6:-1]) if wanted and self.knows_ranges else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start : start + self.gives])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Repository]]:
    class Own(Repository):
        ranges: ClassVar[list[str | None]] = []

    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), Own) as server:
        Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        monkeypatch.setenv("MAVEN_CENTRAL", f"http://127.0.0.1:{server.server_port}/maven2/")
        yield Own
        server.shutdown()


def fetch(target: Path, path: str = PATH, sha256: str = CHECKSUM) -> None:
    with httpx.Client() as client:
        Download(path, sha256, target).run(client)


@pytest.mark.usefixtures("repository")
def test_a_file_comes_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "a folder" / "kafka.jar"
    fetch(target)
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_a_broken_connection_is_taken_up_where_it_broke(
    tmp_path: Path, repository: type[Repository]
) -> None:
    repository.gives = 150_000  # seven times
    fetch(tmp_path / "kafka.jar")
    assert (tmp_path / "kafka.jar").read_bytes() == CONTENT
    assert repository.ranges[:3] == [None, "bytes=150000-", "bytes=300000-"]


def test_a_mirror_that_knows_no_ranges_is_read_from_the_start(
    tmp_path: Path, repository: type[Repository]
) -> None:
    (tmp_path / "kafka.jar.mentor-part").write_bytes(CONTENT[:1000])
    repository.knows_ranges = False
    fetch(tmp_path / "kafka.jar")
    assert (tmp_path / "kafka.jar").read_bytes() == CONTENT


@pytest.mark.usefixtures("repository")
def test_another_file_than_the_known_one_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"is not the file that requirements/jars\.txt knows"):
        fetch(tmp_path / "kafka.jar", sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_not_asked_for_twice(
    tmp_path: Path, repository: type[Repository]
) -> None:
    with pytest.raises(DownloadError, match="404"):
        fetch(tmp_path / "kafka.jar", path="no/such.jar")
    assert len(repository.ranges) == 1


def test_a_line_that_stays_dead_is_given_up_with_advice(
    tmp_path: Path, repository: type[Repository]
) -> None:
    repository.gives = 0
    with pytest.raises(DownloadError, match="MAVEN_CENTRAL="):
        fetch(tmp_path / "kafka.jar")
    assert len(repository.ranges) == download.ATTEMPTS
