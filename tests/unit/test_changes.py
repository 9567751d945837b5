"""`make run` reloads for each change of what it serves, and for nothing else."""

import os
from pathlib import Path

import pytest

from dev.reload import Changes


@pytest.fixture
def function(tmp_path: Path) -> Path:
    folder = tmp_path / "function"
    (folder / "llm").mkdir(parents=True)
    (folder / "handler.py").write_text("old")
    return folder


@pytest.fixture
def changes(tmp_path: Path, function: Path) -> Changes:
    return Changes(function, tmp_path / "schema.sql")


def write(path: Path) -> None:
    """Write with a time of its own, however coarse the clock of the file system is."""
    path.write_text("new")
    os.utime(path, (1, 1))


def test_nothing_changes_by_itself(changes: Changes) -> None:
    assert changes.look() == set()


@pytest.mark.parametrize("name", ["handler.py", "new.py", "llm/taxonomy.json", "../schema.sql"])
def test_a_written_file_is_seen_once(changes: Changes, function: Path, name: str) -> None:
    write(function / name)
    assert [path.name for path in changes.look()] == [Path(name).name]
    assert changes.look() == set()


def test_a_file_that_an_editor_replaces_or_somebody_removes_is_seen(
    changes: Changes, function: Path
) -> None:
    write(function / "handler.py~")
    (function / "handler.py~").rename(function / "handler.py")
    assert changes.look() == {function / "handler.py"}
    (function / "handler.py").unlink()
    assert changes.look() == {function / "handler.py"}


@pytest.mark.parametrize("name", ["handler.pyc", ".handler.py.swp", "handler.py~"])
def test_what_python_and_editors_make_is_not_seen(
    changes: Changes, function: Path, name: str
) -> None:
    write(function / name)
    (function / ".#handler.py").symlink_to("somebody@here")  # how Emacs locks a file
    assert changes.look() == set()
