"""Files of Maven Central, locked by their SHA-256 in requirements/*-jars.txt (pooch's registries).

pooch downloads them to Maven's local repository, where other clones and Maven find them.
`python -m dev.kafka` downloads what `make test-kafka` needs.
"""

import os
import sys
import tarfile
import tempfile
from contextlib import suppress
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path
from typing import Any

import pooch

from dev.paths import CLONE, cache_folder

REPOSITORY = Path.home() / ".m2/repository"
CENTRAL = os.environ.get("MAVEN_CENTRAL", "https://repo1.maven.org/maven2").rstrip("/")
PLUGIN, SERVER = "*/debezium-connector-postgres-*.tar.gz", "*/debezium-server-dist-*.tar.gz"
SINK = "*/debezium-connector-jdbc-*.tar.gz"
# The rest of Debezium Server is for other databases and scripts.
NEEDED = (
    "debezium-server/lib/*",
    "debezium-server/config/lib/*",
    "debezium-server/config/metrics.yml",
    "debezium-server/lib_metrics/jmx_*",
    "*-runner.jar",
)


class DownloadError(Exception):
    """A file could not be downloaded; the text says why, and what to do."""


def lock_file(group: str) -> Path:
    """The registry of a group of files: kafka, contracts, clients, consumers or flink."""
    return CLONE / f"requirements/{group}-jars.txt"


def fetch(group: str, pattern: str = "*.jar") -> list[Path]:
    """The group's files with such a name, downloaded unless they exist. Raises DownloadError."""
    files = _files(group)
    download = pooch.HTTPDownloader(progressbar=sys.stderr.isatty())
    try:
        return [
            Path(files.fetch(name, downloader=download))
            for name in files.registry
            if fnmatch(name, pattern)
        ]
    except (OSError, ValueError) as exc:  # requests' errors, and another checksum
        raise DownloadError(
            f"Could not download a file from Maven Central:\n    {exc}\n"
            "Try again, or use a mirror: MAVEN_CENTRAL=https://mirror.example/maven2"
        ) from exc


def unpacked(pattern: str, needed: tuple[str, ...] = ("*",), group: str = "kafka") -> Path:
    """The folder with the contents of the one archive of that name. Raises DownloadError."""
    registry = _files(group).registry
    [name] = [name for name in registry if fnmatch(name, pattern)]
    content = sha256(" ".join([registry[name], *needed]).encode()).hexdigest()
    folder = cache_folder() / f"{Path(name).name.removesuffix('.tar.gz')}-{content[:8]}"
    if not folder.exists():
        [archive] = fetch(group, pattern)
        print(f"Unpacking {archive.name} ...", file=sys.stderr, flush=True)
        _unpack(archive, needed, folder)
    return folder


def _files(group: str) -> Any:  # pooch has no types
    files = pooch.create(REPOSITORY, f"{CENTRAL}/", retry_if_failed=5)
    files.load_registry(lock_file(group))
    return files


def _unpack(archive: Path, needed: tuple[str, ...], folder: Path) -> None:
    """Unpack it under another name: an unfinished folder never gets the right name."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        new = Path(temporary, "new")
        with tarfile.open(archive) as tar:
            tar.extraction_filter = lambda member, _: member
            members = [it for it in tar if any(fnmatch(it.name, pattern) for pattern in needed)]
            tar.extractall(new, members)  # noqa: S202 - its checksum is locked
        with suppress(OSError):  # another process was faster
            new.rename(folder)
