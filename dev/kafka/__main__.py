"""Downloads Kafka, Debezium Server and Kafka Connect's plugin unless they are there."""

import sys

from dev.kafka import programs
from dev.kafka.download import DownloadError


def main() -> int:
    """Return the exit code: 1 when Maven Central is out of reach, or the disk is full."""
    try:
        programs.kafka_classpath()
        programs.connector_plugins()
        programs.debezium_server()
    except (DownloadError, OSError) as exc:
        print(exc, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
