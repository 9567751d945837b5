"""The files of Maven Central that requirements/jars.txt names, in Maven's own local repository.

Another clone finds them there, and so does Maven. `python -m dev.kafka.lock` writes the list.
"""

import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx

from dev.cache_folder import cache_folder
from dev.kafka.download import TIMEOUT, Download, sha256
from dev.places import CLONE

LOCK = CLONE / "requirements/jars.txt"
REPOSITORY = Path.home() / ".m2/repository"

Group = Literal["kafka", "connector", "server", "contracts", "clients"]


@dataclass(frozen=True, slots=True)
class Jar:
    """A file by its path in a Maven repository; some are archives, not jars."""

    sha256: str
    path: str

    @property
    def file(self) -> Path:
        """Where it lies, once it is fetched."""
        return REPOSITORY / self.path

    def is_here(self) -> bool:
        """Whether the very file lies there."""
        return self.file.exists() and sha256(self.file) == self.sha256


def locked(group: Group) -> list[Jar]:
    """What the list has of a group: a line `[group]`, then `sha256  path` for each file."""
    sections = LOCK.read_text(encoding="utf-8").split("\n[")
    (lines,) = (text.splitlines()[1:] for text in sections if text.startswith(f"{group}]"))
    return [Jar(*line.split()) for line in lines if line]


def fetch(group: Group) -> list[Path]:
    """The files of a group, downloaded unless they are there. Raises DownloadError."""
    jars = locked(group)
    if not all(jar.is_here() for jar in jars):
        with alone():
            _download([jar for jar in jars if not jar.is_here()])
    return [jar.file for jar in jars]


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other process downloads or unpacks; a killed one is in nobody's way."""
    with (cache_folder() / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another download ...", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(jars: list[Jar]) -> None:
    if not jars:
        return  # the other process has fetched them
    what = Path(jars[0].path).name if len(jars) == 1 else f"{len(jars)} files of Java"
    print(f"Downloading {what}, once ...", file=sys.stderr, flush=True)
    with httpx.Client(timeout=TIMEOUT, follow_redirects=True) as client:
        for jar in jars:
            Download(jar.path, jar.sha256, jar.file).run(client)
