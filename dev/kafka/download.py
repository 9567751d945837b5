"""One file from Maven Central: checked, resumed where it broke off, named when it is whole."""

import hashlib
import os
import sys
import time
from pathlib import Path

import httpx

CENTRAL = "https://repo1.maven.org/maven2"
TIMEOUT = httpx.Timeout(30, connect=10)
SMALL = 10_000_000  # bytes
ATTEMPTS = 5  # in a row that bring nothing
REPORT_EVERY = 10.0  # seconds, where nobody watches a line change


class DownloadError(Exception):
    """A file could not be had; the text says why, and what to do."""


class Download:
    """A file on its way to `target`; what has come so far lies beside it.

    One process at a time may be at it. Without a checksum whatever comes is taken.
    Raises DownloadError.
    """

    def __init__(self, path: str, sha256: str | None, target: Path) -> None:
        self._url = f"{os.environ.get('MAVEN_CENTRAL', CENTRAL).rstrip('/')}/{path}"
        self._sha256 = sha256
        self._target = target
        self._part = target.with_name(f"{target.name}.mentor-part")

    def run(self, client: httpx.Client) -> None:
        """Fetch the file. A connection that breaks is taken up again where it broke."""
        self._target.parent.mkdir(parents=True, exist_ok=True)
        failed = 0
        while True:
            before = self._so_far()
            try:
                self._fetch_rest(client)
                break
            except httpx.HTTPError as exc:
                failed = failed + 1 if self._so_far() == before else 1
                if failed == ATTEMPTS or _is_final(exc):
                    raise self._unreachable(exc) from exc
                time.sleep(min(2.0**failed / 2, 8))
        self._keep()

    def _fetch_rest(self, client: httpx.Client) -> None:
        start = self._so_far()
        headers = {"Range": f"bytes={start}-"} if start else {}
        with client.stream("GET", self._url, headers=headers) as response:
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                return  # nothing is missing, or it is not this file: the checksum tells
            response.raise_for_status()
            resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
            self._receive(response, start if resumed else 0)

    def _receive(self, response: httpx.Response, start: int) -> None:
        progress = Progress(self._target.name, start, response.headers.get("content-length"))
        with self._part.open("ab" if start else "wb") as file:
            # Raw, because a mirror may declare a .tar.gz as gzip's encoding of a .tar; and without
            # a size, lest what has come of a chunk goes with the connection.
            for chunk in response.iter_raw():
                file.write(chunk)
                progress.advance(len(chunk))
        progress.end()

    def _keep(self) -> None:
        if self._sha256 and sha256(self._part) != self._sha256:
            self._part.unlink()
            raise DownloadError(f"{self._url} is not the file that requirements/jars.txt knows.")
        self._part.rename(self._target)

    def _so_far(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _unreachable(self, exc: httpx.HTTPError) -> DownloadError:
        return DownloadError(
            f"Could not download {self._url}\n    {type(exc).__name__}: {exc}\n"
            "Try again (it goes on where it stopped), or name a mirror of Maven Central:\n"
            "    MAVEN_CENTRAL=https://mirror.example/maven2"
        )


class Progress:
    """Tells a person on stderr how far a big file has come; small ones go unmentioned."""

    def __init__(self, name: str, start: int, left: str | None) -> None:
        self._name = name
        self._done = start
        self._total = start + int(left) if left else 0
        self._watched = sys.stderr.isatty()
        self._last = time.monotonic()

    def advance(self, size: int) -> None:
        """Count what has come, and say so now and then."""
        self._done += size
        pause = 0.2 if self._watched else REPORT_EVERY
        if time.monotonic() - self._last > pause:
            self._last = time.monotonic()
            self._show("" if self._watched else "\n")

    def end(self) -> None:
        """Leave the last figure standing, if any was shown."""
        if self._watched and self._done > SMALL:
            self._show("\n")

    def _show(self, end: str) -> None:
        start = "\r" if self._watched else ""
        total = f" of {self._total / 1e6:.0f}" if self._total else ""
        line = f"{start}  {self._name}: {self._done / 1e6:.0f}{total} MB"
        print(line, end=end, file=sys.stderr, flush=True)


def sha256(file: Path) -> str:
    """The checksum of a file, in hex; 350 MB take a second."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _is_final(exc: httpx.HTTPError) -> bool:
    """Whether another attempt would end the same."""
    return isinstance(exc, httpx.HTTPStatusError) and exc.response.is_client_error
