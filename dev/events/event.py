"""An event as Kafka would get it, and its two forms on stdout."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

# Debezium writes JSONB as a string that holds JSON.
JSON_IN_A_STRING = ("topic_weights", "strategy_snapshot")

# A student's message must not control the terminal. These are control characters, and characters
# that change the direction of writing or break a line.
UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

BOLD, DIM, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Event:
    """A Kafka record, its bytes read as UTF-8. The value is Debezium's JSON."""

    topic: str
    key: str | None
    headers: Mapping[str, str]
    value: str


class _Number(str):
    """A number of the value, as Debezium wrote it."""

    __slots__ = ()


def writer(*, as_json: bool) -> Callable[[Event], None]:
    """A function that writes an event to stdout, at once. It raises OSError."""
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def write(event: Event) -> None:
        text = _as_json(event) if as_json else _as_text(event, colours=colours)
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()

    return write


def _as_json(event: Event) -> str:
    """One line: an object that contains the value byte for byte."""
    around = {"topic": event.topic, "key": event.key, "headers": dict(event.headers)}
    return f'{json.dumps(around, ensure_ascii=False)[:-1]}, "value": {event.value}}}\n'


def _as_text(event: Event, *, colours: bool) -> str:
    """Several lines for people, the last one empty."""
    fields = json.loads(event.value, parse_float=_Number, parse_int=_Number)
    lines = [
        _styled(event.topic, BOLD, colours),
        *_block("key", {"": event.key or "null"}, colours),
        *_block("headers", event.headers, colours),
        *_block("value", {name: _spelled(name, fields[name]) for name in fields}, colours),
    ]
    return "\n".join([*lines, "", ""])


def _block(title: str, entries: Mapping[str, str], colours: bool) -> Iterator[str]:
    width = max(map(len, entries), default=0)
    for number, (name, text) in enumerate(entries.items()):
        label = f"  {title if number == 0 else '':8} {_safe(name):{width}}"
        yield f"{_styled(label, DIM, colours)}{'  ' if width else ''}{_safe(text)}"


def _spelled(name: str, value: object) -> str:
    if isinstance(value, _Number):
        return value
    if name in JSON_IN_A_STRING and isinstance(value, str):
        return f"{value}  (JSON in a string)"
    return json.dumps(value, ensure_ascii=False)


def _safe(text: str) -> str:
    return UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _styled(text: str, style: str, colours: bool) -> str:
    return f"{style}{_safe(text)}{PLAIN}" if colours else _safe(text)
