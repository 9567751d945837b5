"""Logs: one JSON line per event on stdout, or text where stdout is a terminal.

Each field is named where it is logged, and none of them holds a part of a request's body. Modules
use the standard library's `logging`, with fields in `extra`. The line of each request goes past it,
because a LogRecord would take three times as long: 9 us, not 3, of 80 that a request takes.
"""

import asyncio
import logging
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from functools import lru_cache
from typing import NamedTuple

from function import crashes

Fields = Mapping[str, object]
Render = Callable[[float, str, str, Fields], str]


class Line(NamedTuple):
    """An event, with the time in seconds since 1970."""

    when: float
    level: str
    event: str
    fields: Fields


# Fields of the request in progress, such as its id, for every line that is logged during it.
request_fields: ContextVar[Fields] = ContextVar("request_fields", default={})  # noqa: B039 - never changed

# https://cloud.google.com/logging/docs/structured-logging#special-payload-fields
GOOGLE_NAMES = {
    "level": "severity",
    "event": "message",
    "trace_id": "logging.googleapis.com/trace",
    "span_id": "logging.googleapis.com/spanId",
}

EXPORT_THREAD = "telemetry"

# What a LogRecord has of its own; the other attributes came by `extra`.
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "taskName"}


class Formatter(logging.Formatter):
    """Renders a LogRecord with its fields."""

    def __init__(self, render: Render) -> None:
        super().__init__()
        self.render = render

    def format(self, record: logging.LogRecord) -> str:
        fields = {name: value for name, value in vars(record).items() if name not in STANDARD}
        event = record.getMessage()
        if not record.name.startswith("function"):
            fields, event = {"logger": record.name}, _library_event(record)
        if record.exc_info and record.exc_info[1]:
            fields["stack"] = _stack(record.exc_info[1])
        return self.render(record.created, record.levelname, event, fields)


class EventHandler(logging.StreamHandler):  # type: ignore[type-arg] # not generic when it runs
    """Writes each record at once, and the lines of requests at the end of the loop's turn.

    One write for each line would cost a busy instance a system call per request.
    """

    def __init__(self, render: Render) -> None:
        super().__init__(sys.stdout)
        self.formatter = Formatter(render)
        self._render = render
        self._lines: list[str] = []

    def pass_on(self, take: Callable[[Line], None]) -> None:
        """Pass on each event before it is written."""
        render = self._render

        def render_and_pass(when: float, level: str, event: str, fields: Fields) -> str:
            if threading.current_thread().name != EXPORT_THREAD:  # it would export its own failure
                take(Line(when, level, event, {**request_fields.get(), **fields}))
            return render(when, level, event, fields)

        self._render = render_and_pass
        self.formatter = Formatter(render_and_pass)

    def emit(self, record: logging.LogRecord) -> None:
        self.flush()
        super().emit(record)

    def write(self, level: str, event: str, fields: Fields) -> None:
        """Write an event of the request in progress, at the end of the event loop's turn."""
        line = self._render(time.time(), level, event, fields)
        self._lines.append(line)  # not before: another thread may replace the list meanwhile
        if len(self._lines) == 1:
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Write the lines of requests; `logging` calls it, too, after a record and at the end."""
        lines, self._lines = self._lines, []
        with suppress(OSError, ValueError):  # a full disk must not lose a student's message
            if lines:
                self.stream.write("\n".join([*lines, ""]))
            if self.stream:
                self.stream.flush()


_logger = logging.getLogger("function")


def configure(level: str, format: str) -> None:  # noqa: A002 - as in logging.basicConfig
    """Send the function's events to stdout, from `level` on, the libraries' warnings, and crashes.

    `format` is "json", "google" or "auto": text for a terminal, otherwise JSON.
    """
    logging.raiseExceptions = False  # it would print the record to stderr
    render = _as_google_json if format == "google" else _as_json
    if format == "auto" and sys.stdout and sys.stdout.isatty():
        render = _as_text
    handler = EventHandler(render)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    _logger.handlers = [handler]
    _logger.setLevel(level)
    # A level of its own: LOG_LEVEL must not hide a danger to a student.
    _logger.getChild("safeguarding").setLevel(logging.WARNING)
    _logger.propagate = False
    crashes.configure()


def export(take: Callable[[Line], None]) -> None:
    """Pass on each event that is written from now on, except those of the thread that exports."""
    for handler in _logger.handlers:
        if isinstance(handler, EventHandler):
            handler.pass_on(take)


def write_request(level: int, fields: Fields) -> None:
    """Write the line of the request in progress."""
    if _logger.isEnabledFor(level):
        for handler in _logger.handlers:
            if isinstance(handler, EventHandler):
                handler.write(logging.getLevelName(level), "request", fields)


def flush() -> None:
    """Write what the event loop may have no turn for any more."""
    for handler in _logger.handlers:
        handler.flush()


@lru_cache(maxsize=1)
def _clock(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _line(when: float, level: str, event: str, fields: Fields) -> dict[str, object]:
    stamp = f"{_clock(int(when))}.{int(when % 1 * 1000):03}Z"
    return {"time": stamp, "level": level, "event": event, **request_fields.get(), **fields}


def _encode(line: Fields) -> str:
    # Here, because the store starts to connect before this import. It writes JSON five times as
    # fast as json.
    import pydantic_core  # `from` would take 0.5 us of each request

    encoded = pydantic_core.to_json(line, fallback=str)
    if not encoded.isascii():  # some readers take U+2028 for the end of a line
        encoded = pydantic_core.to_json(line, fallback=str, ensure_ascii=True)
    return encoded.decode()


def _as_json(when: float, level: str, event: str, fields: Fields) -> str:
    return _encode(_line(when, level, event, fields))


def _as_google_json(when: float, level: str, event: str, fields: Fields) -> str:
    line = _line(when, level, event, fields)
    return _encode({GOOGLE_NAMES.get(name, name): value for name, value in line.items()})


def _as_text(when: float, level: str, event: str, fields: Fields) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(when))
    shown = {**request_fields.get(), **fields}
    words = [f"{name}={_printable(value)}" for name, value in shown.items() if name != "stack"]
    line = " ".join([clock, f"{level:7}", event, *words])
    return f"{line}\n{fields['stack']}" if "stack" in fields else line


def _printable(value: object) -> str:
    """Keep a client's text from steering the terminal."""
    text = str(value)
    return text if text.isprintable() else repr(text)


def _library_event(record: logging.LogRecord) -> str:
    """Cut off the values: asyncio quotes errors, arguments and tasks, each after one of these."""
    return re.split(r"[\n(<]", str(record.msg), maxsplit=1)[0].strip()


def _stack(error: BaseException) -> str:
    """Every frame of the error and its causes, but not their texts: those can quote a message."""
    chain: list[str] = []
    cause: BaseException | None = error
    while cause:
        frames = "".join(traceback.format_tb(cause.__traceback__))
        chain.append(f"{frames}{type(cause).__module__}.{type(cause).__qualname__}")
        cause = cause.__cause__ or cause.__context__
    return "\n".join(chain)
