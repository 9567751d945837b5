"""Writes requests and reads replies with the official SDK, in the environment of each version.

It runs as a program: argv[1] is the SDK's module, each line of stdin is a task in JSON, and each
line of stdout its result.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any


@dataclass(frozen=True)
class Sdk:
    """A running SDK."""

    process: "Popen[str]"

    def write(self, mode: str, attributes: Mapping[str, str], data: object) -> tuple[Any, bytes]:
        """Return the headers and the body of a request that carries the event."""
        headers, body = self._do("write", mode, attributes, data)
        return headers, body.encode()

    def read(self, headers: Mapping[str, str], body: bytes) -> tuple[Any, Any]:
        """Return the attributes and the data of the event that an answer carries."""
        attributes, data = self._do("read", headers, body.decode())
        return attributes, data

    def try_to_read(self, headers: Mapping[str, str], body: str) -> tuple[Any, Any] | None:
        """Return the same, or None where the SDK raises an error."""
        found = self._do("try to read", headers, body)
        return (found[0], found[1]) if found else None

    def _do(self, *task: object) -> Any:
        assert self.process.stdin
        assert self.process.stdout
        print(json.dumps(task), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


@contextmanager
def running_sdk(python: Path, module: str) -> Iterator[Sdk]:
    with Popen([python, __file__, module], stdin=PIPE, stdout=PIPE, text=True) as process:
        yield Sdk(process)


def main() -> None:
    bindings = import_module(sys.argv[1])
    read, write = _of_2(bindings) if hasattr(bindings, "HTTPMessage") else _of_1(bindings)
    for line in sys.stdin:
        kind, *arguments = json.loads(line)
        try:
            result = (write if kind == "write" else read)(*arguments)
        except Exception:
            if kind != "try to read":
                raise
            result = None
        print(json.dumps(result, default=str), flush=True)


def _of_1(http: Any) -> tuple[Any, Any]:
    """The interface of version 1, which version 2 also has."""
    conversion = import_module(f"{http.__name__.removesuffix('.http')}.conversion")

    def read(headers: dict[str, str], body: str) -> Any:
        event = http.from_http(headers, body)
        return dict(event.get_attributes()), event.get_data()

    def write(mode: str, attributes: dict[str, str], data: object) -> Any:
        headers, body = getattr(conversion, f"to_{mode}")(http.CloudEvent(attributes, data))
        return headers, body.decode()

    return read, write


def _of_2(http: Any) -> tuple[Any, Any]:
    """The interface that is new in version 2."""
    event_type = import_module("cloudevents.core.v1.event").CloudEvent

    def read(headers: dict[str, str], body: str) -> Any:
        event = http.from_http_event(http.HTTPMessage(headers, body.encode()))
        return dict(event.get_attributes()), event.get_data()

    def write(mode: str, attributes: dict[str, str], data: object) -> Any:
        message = getattr(http, f"to_{mode}_event")(event_type(attributes, data))
        return message.headers, message.body.decode()

    return read, write


if __name__ == "__main__":
    main()
