"""The way of `make events`: wait for PostgreSQL, settle slot and offsets, run Debezium; again."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path
from typing import TypeVar

from dev.child import StopRequest
from dev.events import java
from dev.events.chain import engine_settings
from dev.events.engine import Engine
from dev.events.output import Output
from dev.events.place import EventsError, NotReady, Place, say
from dev.events.slot import settle
from function.postgres_settings import PostgresSettings

T = TypeVar("T")

ATTEMPTS = 5  # to run Debezium, in a row that all end within SHORT, with PostgreSQL there
SHORT = 10.0  # seconds


def follow(place: Place, output: Output, stop: StopRequest) -> None:
    """Show events until it is stopped: it ends by Stopped or ReaderGone.

    Raises EventsError when Debezium can't go on.
    """
    attempts = 0
    while True:
        engine = _engine(place, output, stop)
        started = time.monotonic()
        with engine:
            engine.wait(lambda: _is_over(place, output, stop))
        if engine.failure:
            attempts = 1 if time.monotonic() - started > SHORT else attempts + 1
            _complain(engine.failure, place, attempts)


def _complain(failure: str, place: Place, attempts: int) -> None:
    if attempts == ATTEMPTS:
        raise EventsError(f"Debezium fails: {failure}\nIts log is {_log(place)}")
    say(f"Debezium has ended: {failure}")
    time.sleep(0.5)


def _engine(place: Place, output: Output, stop: StopRequest) -> Engine:
    """Wait until Debezium can start, and tell once what is missing."""
    told = set[str]()

    def tell(text: str) -> None:
        if text not in told:
            told.add(text)
            say(text)

    def check() -> None:
        _check(output, stop)

    while True:
        try:
            postgres = _in_background(place.ready, check)
            tell("Starting Debezium ...")
            return _in_background(partial(_build, place, output, postgres), check)
        except NotReady as exc:
            tell(str(exc))
        time.sleep(0.2)


def _in_background(work: Callable[[], T], check: Callable[[], None]) -> T:
    """Do the work in a thread; raise what `check`, called often, raises, and leave the work behind.

    Java is deaf to signals, and a silent server takes its time: neither may hold up a Ctrl-C.
    """
    done = Future[T]()
    threading.Thread(target=_resolve, args=[done, work], daemon=True).start()
    while not done.done():
        check()
        wait([done], timeout=0.05)
    return done.result()


def _resolve(future: Future[T], work: Callable[[], T]) -> None:
    try:
        future.set_result(work())
    except BaseException as exc:  # noqa: BLE001 - it is raised where the result is wanted
        future.set_exception(exc)


def _build(place: Place, output: Output, postgres: PostgresSettings) -> Engine:
    java.start(_log(place))
    settle(postgres, place.slot, _offsets(place), java.is_serialized_map)
    place.remember()
    return Engine(
        engine_settings(postgres, place.slot, _offsets(place)),
        show=output.show,
        following=lambda: say(f"Following the feedback of {place.name}. Ctrl-C stops it."),
    )


def _is_over(place: Place, output: Output, stop: StopRequest) -> bool:
    _check(output, stop)
    return place.is_leaving()


def _check(output: Output, stop: StopRequest) -> None:
    """Raise Stopped or ReaderGone if that is so."""
    stop.check()
    output.check()


def _offsets(place: Place) -> Path:
    return place.folder / "offsets"


def _log(place: Place) -> Path:
    return place.folder / "debezium.log"
