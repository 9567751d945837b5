"""Downloads Kafka, Debezium Server and Kafka Connect's plugin unless they exist here.

`python -m dev.kafka flink` downloads the jars of Flink, too.
"""

import sys
from collections.abc import Sequence

from dev.kafka import jars


def main(groups: Sequence[str] = ()) -> int:
    """Download these groups, too. Return 1 if a file can't be downloaded, or the disk is full."""
    try:
        for group in ("kafka", *groups):
            jars.fetch(group)
        jars.unpacked(jars.PLUGIN)
        jars.unpacked(jars.SERVER, jars.NEEDED)
    except (jars.DownloadError, OSError) as exc:
        print(exc, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
