import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.postgres import EmbeddedPostgres
from tests.run.clone import Run, copied_clone, make_run


@pytest.fixture
def clone() -> Iterator[Path]:
    """A copy of the clone, for this test to edit."""
    with copied_clone() as folder:
        yield folder


@pytest.fixture(scope="session")
def cluster() -> Iterator[Path]:
    """A data folder of PostgreSQL to copy, since `make run` takes seconds to make one."""
    with EmbeddedPostgres.temporary() as server:
        server.stop()
        yield server.folder / "cluster"


@pytest.fixture
def run(clone: Path, cluster: Path) -> Iterator[Run]:
    """`make run` in the copy."""
    (clone / ".data").mkdir()
    subprocess.run(["cp", "-a", cluster, clone / ".data"], check=True)
    with make_run(clone, clone / "run.log", DATABASE_TIMEOUT="20") as running:
        yield running
