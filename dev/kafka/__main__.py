"""Downloads Kafka, Debezium Server and Kafka Connect's plugin unless they exist here."""

import sys

from dev.kafka import jars


def main() -> int:
    """Return the exit code: 1 when a file could not be downloaded, or the disk is full."""
    try:
        jars.fetch("kafka")
        jars.unpacked(jars.PLUGIN)
        jars.unpacked(jars.SERVER, jars.NEEDED)
    except (jars.DownloadError, OSError) as exc:
        print(exc, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
