"""What `make test-clients` downloads, once: `python -m tests.clients.prepare`."""

import sys
from pathlib import Path

from dev.kafka import jars
from dev.kafka.jars import DownloadError
from tests.contracts.prepare import install_packages
from tests.contracts.programs import MissingProgram, program


def main() -> int:
    """Return the exit code: 1 when something could not be had."""
    try:
        for name in ("go", "java", "javac", "node"):
            program(name)
        jars.fetch("clients")
        install_packages(Path(__file__).with_name("js"))
    except (DownloadError, MissingProgram) as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
