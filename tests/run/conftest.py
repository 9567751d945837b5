import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.run.clone import Run, copied_clone, make_run


@pytest.fixture
def clone() -> Iterator[Path]:
    """A copy of the clone, for this test to edit."""
    with copied_clone() as folder:
        yield folder


@pytest.fixture
def run(clone: Path, cluster: Path) -> Iterator[Run]:
    """`make run` in the copy."""
    (clone / ".data").mkdir()
    subprocess.run(["cp", "-a", cluster, clone / ".data"], check=True)
    with make_run(clone, clone / "run.log", DATABASE_TIMEOUT="20") as running:
        yield running
