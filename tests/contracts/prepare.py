"""Downloads what `make test-contracts` needs, once: `python -m tests.contracts.prepare`."""

import subprocess
import sys
from pathlib import Path

from dev.kafka import jars
from dev.kafka.jars import DownloadError
from tests.contracts.programs import MissingProgram, program


def prepare(lock: str, packages: Path) -> int:
    """Fetch the jars of the lock and the npm packages of the folder; return the exit code."""
    try:
        for name in ("go", "java", "javac", "node"):
            program(name)
        jars.fetch(lock)
        install_packages(packages)
    except (DownloadError, MissingProgram) as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def install_packages(folder: Path) -> None:
    """Install what the folder's package-lock.json names, unless it is installed."""
    lock = folder / "package-lock.json"
    installed = folder / "node_modules/.package-lock.json"  # npm writes it last
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    print("Installing packages of npm, once ...", file=sys.stderr, flush=True)
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run([program("npm"), "ci", *options], cwd=folder, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    sys.exit(prepare("contracts", Path(__file__).parent))
