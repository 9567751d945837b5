"""Reads a Kafka record with the official SDK, which lives in one environment per version.

A program: argv[1] is the SDK's module, the record comes as JSON on stdin (bytes in base64), and
what the SDK makes of it goes as JSON to stdout.
"""

import json
import sys
from base64 import b64decode
from importlib import import_module


def main() -> None:
    kafka, record = import_module(sys.argv[1]), json.load(sys.stdin)
    message = kafka.KafkaMessage(
        headers={name: b64decode(value) for name, value in record["headers"].items()},
        key=b64decode(record["key"]).decode(),
        value=b64decode(record["value"]),
    )
    # 2.x has a format of its own for the value, and this for JSON.
    parse = getattr(kafka, "from_binary_event", kafka.from_binary)
    event = parse(message)
    result = {"attributes": dict(event.get_attributes()), "data": event.get_data()}
    print(json.dumps(result, default=str))  # 2.x makes a datetime of the time


if __name__ == "__main__":
    main()
