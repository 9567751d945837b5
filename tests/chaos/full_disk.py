"""PostgreSQL's disk is full: all its data is in a small file system in memory."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev import paths
from dev.initdb import make_data
from dev.postgres import EmbeddedPostgres
from tests.chaos.deployment import Deployment, deployed, make_database
from tests.chaos.fault import LeftOut, Stage, prove, stage

SIZE = "160m"
SETTINGS = {"max_wal_size": "64MB", "min_wal_size": "32MB", "log_line_prefix": "%e "}


def fill(deployment: Deployment, hold: float) -> str:
    """PostgreSQL may end where it can't write its log; then it is started again."""
    ballast = deployment.postgres.data / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(8192))
        except OSError:  # the disk is full
            pass
    time.sleep(hold)
    found = len(re.findall("^53100 ", deployment.postgres_log, re.MULTILINE))
    ballast.unlink()
    if not deployment.postgres.processes():
        deployment.postgres.start()
    return prove(found, f"PostgreSQL logged SQLSTATE 53100 {found} times")


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    with _server() as postgres, deployed(postgres, folder) as deployment:
        yield stage(deployment, {"PostgreSQL: disk full": fill})


@contextmanager
def _server() -> Iterator[EmbeddedPostgres]:
    """Run a server whose data is in a tmpfs. Raises LeftOut."""
    with paths.temporary_folder("mentor-disk-") as folder:
        postgres = EmbeddedPostgres(folder, durable=False, **SETTINGS)
        make_data(postgres.data, sync=False)
        with _in_memory(postgres.data):
            try:
                postgres.start()
                make_database(postgres)
                yield postgres
            finally:
                postgres.stop("immediate")


@contextmanager
def _in_memory(data: Path) -> Iterator[None]:
    """Move the folder into a file system of its own. Raises LeftOut."""
    original = data.rename(data.with_name("original"))
    data.mkdir()
    options = f"size={SIZE},mode=0700"
    mount: list[str | Path] = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", data]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        raise LeftOut(
            "a small file system can be mounted by root only, and where mounts may be made"
        )
    try:
        paths.give_away(data)
        subprocess.run(["cp", "-a", f"{original}/.", data], check=True)
        shutil.rmtree(original)
        yield
    finally:
        subprocess.run(["umount", data], check=True)
