"""One line an event on stdout: JSON for machines, text where a person looks at a terminal.

What is logged is named field by field, and nothing of a request's body is among the fields.
Events come by the standard library's `logging`, with their fields in `extra`. Only the line of
each request goes straight to `write`: a LogRecord would cost it as much as its INSERT.
"""

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from functools import lru_cache

# The request that is being answered, for each line that is logged on its way.
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

# What a LogRecord has of its own; all else came by `extra`.
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "taskName"}

Fields = Mapping[str, object]


class EventHandler(logging.Handler):
    """Writes events; those of one turn of the event loop together, at the turn's end.

    A write for each would be a system call each.
    """

    def __init__(self, render: "Callable[[float, str, str, Fields], str]") -> None:
        super().__init__()
        self._render = render
        self._lines: list[str] = []
        self._guard = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        fields = {name: value for name, value in vars(record).items() if name not in STANDARD}
        if record.exc_info and record.exc_info[1]:
            fields["stack"] = _stack(record.exc_info[1])
        self.write(record.created, record.levelname, record.getMessage(), fields)

    def write(self, when: float, level: str, event: str, fields: Fields) -> None:
        if current := request_id.get():
            fields = {"request_id": current, **fields}
        line = self._render(when, level, event, fields)
        with self._guard:
            self._lines.append(line)
            first = len(self._lines) == 1
        if first:
            try:
                asyncio.get_running_loop().call_soon(self.flush)
            except RuntimeError:  # this thread has no event loop
                self.flush()

    def flush(self) -> None:
        with self._guard:
            lines, self._lines = self._lines, []
        if lines:
            # A disk that is full, or a reader that is gone, must not cost a student's message.
            with suppress(OSError, ValueError):
                print("\n".join(lines), flush=True)


_logger = logging.getLogger("function")


def configure(level: str) -> None:
    """Send the function's events to stdout, from `level` on, and the libraries' warnings."""
    handler = EventHandler(_as_text if sys.stdout and sys.stdout.isatty() else _as_json)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    _logger.handlers = [handler]
    _logger.setLevel(level)
    _logger.propagate = False


def write(level: int, event: str, fields: Fields) -> None:
    """Write an event of the request in progress."""
    if _logger.isEnabledFor(level):
        for handler in _logger.handlers:
            if isinstance(handler, EventHandler):
                handler.write(time.time(), logging.getLevelName(level), event, fields)


@lru_cache(maxsize=1)
def _clock(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _as_json(when: float, level: str, event: str, fields: Fields) -> str:
    # pydantic-core writes JSON five times as fast as json does. Imported here, for the store
    # starts to connect before.
    from pydantic_core import to_json

    stamp = f"{_clock(int(when))}.{int(when % 1 * 1000):03}Z"
    line = {"time": stamp, "level": level, "event": event, **fields}
    # In ASCII, for some readers take U+2028 and its like for the end of a line.
    return to_json(line, fallback=str, ensure_ascii=True).decode()


def _as_text(when: float, level: str, event: str, fields: Fields) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(when))
    words = [f"{name}={_printable(value)}" for name, value in fields.items() if name != "stack"]
    line = " ".join([clock, f"{level:7}", event, *words])
    return f"{line}\n{fields['stack']}" if "stack" in fields else line


def _printable(value: object) -> str:
    """What a client chose must not steer the terminal."""
    text = str(value)
    return text if text.isprintable() else repr(text)


def _stack(error: BaseException) -> str:
    """Every frame of the error and its causes, but not their texts: those can quote a message."""
    chain: list[str] = []
    cause: BaseException | None = error
    while cause:
        frames = "".join(traceback.format_tb(cause.__traceback__))
        chain.append(f"{frames}{type(cause).__module__}.{type(cause).__qualname__}")
        cause = cause.__cause__ or cause.__context__
    return "\n".join(chain)
