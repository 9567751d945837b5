"""Each environment gets exactly what its lock lists, whatever is released later."""

import re
from pathlib import Path

import pytest

from dev.kafka import jars
from tests.instance import ROOT
from tests.setup.clone import Clone
from tests.setup.lock import make_newer_releases, pinned

ALL = sorted(path.name for path in (ROOT / "requirements").glob("*.txt"))
PYTHON_LOCKS = [name for name in ALL if not name.endswith(("-jars.txt", "tools.txt"))]


@pytest.mark.setup
@pytest.mark.timeout(900)
@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_newer_releases(clone: Clone, oldest_pip: str, tmp_path: Path, installer: str) -> None:
    """A release that is newer than the lock changes nothing, even with the oldest pip."""
    newer = str(make_newer_releases("dev.txt", tmp_path / "newer"))
    if installer == "pip":
        (clone.folder / "requirements/uv.txt").write_text("uv==9999 --hash=sha256:00\n")
    done = clone.set_up("dev.txt", PYTHON=oldest_pip, PIP_FIND_LINKS=newer, UV_FIND_LINKS=newer)
    assert done.returncode == 0, done.stdout
    assert ("so pip installs everything" in done.stdout) == (installer == "pip")
    assert clone.installed() == pinned("dev.txt")


@pytest.mark.setup
@pytest.mark.parametrize("lock", ["uv.txt", "build.txt"])
def test_other_content(clone: Clone, oldest_pip: str, lock: str) -> None:
    """A file that differs from the locked one is refused, and pip never replaces uv then."""
    path = clone.folder / "requirements" / lock
    path.write_text(re.sub(r"sha256:\w{8}", "sha256:00000000", path.read_text()))
    done = clone.set_up("build.txt", PYTHON=oldest_pip)
    assert done.returncode == 1
    assert "so pip installs everything" not in done.stdout
    assert re.search("hash", done.stdout, re.IGNORECASE)
    assert not (clone.folder / ".venv-test/ready").exists()


@pytest.mark.parametrize("lock", PYTHON_LOCKS)
def test_hashes(lock: str) -> None:
    """Each requirement has one exact version and at least one hash."""
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    requirements = re.findall(r"^\w.*", text.replace("\\\n", ""), re.MULTILINE)
    assert requirements
    for requirement in requirements:
        assert re.match(r"[\w.-]+==\S+ ", requirement)
        assert "--hash=sha256:" in requirement


@pytest.mark.parametrize("group", ["kafka", "contracts", "clients"])
def test_jars(group: str) -> None:
    """Each file of Maven Central has a SHA-256."""
    lines = jars.lock_file(group).read_text(encoding="utf-8").splitlines()
    files = [line for line in lines if line and not line.startswith("#")]
    assert files
    assert all(re.fullmatch(r"[\w./-]+ [0-9a-f]{64}", file) for file in files)


def test_run_is_part_of_dev() -> None:
    """`make run` serves with the versions that the tests use."""
    assert pinned("run.txt").items() < pinned("dev.txt").items()


def test_commands() -> None:
    """Each command that calls pip names a lock with hashes, and resolves no dependency."""
    for name in ("Dockerfile", "dev/venv.sh", ".ci/run"):
        text = re.sub(r"\\\n\s*", "", (ROOT / name).read_text(encoding="utf-8"))
        for command in re.findall(r"\S*pip\b[^&\n]* (?:install|wheel) --[^&\n]*", text):
            assert "--no-deps" in command
            assert "--require-hashes" in command or command.endswith((".whl ", " dist . "))
