"""What `make test-contracts` downloads, once: `python -m tests.contracts.prepare`."""

import subprocess
import sys
from pathlib import Path

from dev.kafka import jars
from dev.kafka.download import DownloadError
from tests.contracts.programs import NODE_MODULES, MissingProgram, program

LOCK = Path(__file__).with_name("package-lock.json")
INSTALLED = NODE_MODULES / ".package-lock.json"  # npm writes it last


def main() -> int:
    """Return the exit code: 1 when something could not be had."""
    try:
        for name in ("go", "java", "javac", "node"):
            program(name)
        jars.fetch("contracts")
        if not INSTALLED.exists() or INSTALLED.stat().st_mtime < LOCK.stat().st_mtime:
            _install_linters()
    except (DownloadError, MissingProgram) as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def _install_linters() -> None:
    print("Installing 261 packages of npm for the linters, once ...", file=sys.stderr, flush=True)
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run([program("npm"), "ci", *options], cwd=LOCK.parent, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
