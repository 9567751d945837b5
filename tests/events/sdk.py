"""Reads a Kafka record with the official SDK, in the environment of each version.

It runs as a program: argv[1] is the SDK's module, stdin is the record as JSON (bytes in Base64),
and stdout is the event as JSON.
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
    # In version 2 this function is for JSON; another one takes a format.
    parse = getattr(kafka, "from_binary_event", kafka.from_binary)
    event = parse(message)
    result = {"attributes": dict(event.get_attributes()), "data": event.get_data()}
    print(json.dumps(result, default=str))  # in version 2 the time is a datetime


if __name__ == "__main__":
    main()
