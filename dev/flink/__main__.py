"""Downloads the connectors unless they exist here."""

import sys

from dev.kafka import jars


def main() -> int:
    """Return the exit code: 1 when a file could not be downloaded."""
    try:
        jars.fetch("flink")
    except jars.DownloadError as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
