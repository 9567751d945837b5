"""The main path of `make events`: wait for PostgreSQL, check slot and offsets, run Debezium."""

import time
from collections.abc import Callable
from functools import partial
from typing import NoReturn

from dev.events import java
from dev.events.engine import Engine
from dev.events.event import Event
from dev.events.places import EventsError, NotReady, Place, say
from dev.events.settings import engine_settings
from dev.events.slot import settle
from dev.supervisor import StopRequest, in_background
from function.postgres_settings import PostgresSettings

ATTEMPTS = 5  # in a row to run Debezium that end within SHORT, though PostgreSQL is ready
SHORT = 10.0  # seconds


def follow(place: Place, show: Callable[[Event], None], stop: StopRequest) -> NoReturn:
    """Show events until the user stops it.

    Raises Stopped, what `show` raises, and EventsError when Debezium can't continue.
    """
    attempts = 0
    while True:
        engine = _ready_engine(place, show, stop)
        started = time.monotonic()
        with engine:
            engine.wait(lambda: _is_over(place, stop))
        if engine.failure:
            attempts = 1 if time.monotonic() - started > SHORT else attempts + 1
            _complain(engine.failure, place, attempts)


def _complain(failure: str, place: Place, attempts: int) -> None:
    if attempts == ATTEMPTS:
        log = place.folder / java.LOG
        raise EventsError(f"Debezium fails: {failure}\nIts log is {log}\n{place.end()}")
    say(f"Debezium has ended: {failure}")
    time.sleep(0.5)


def _ready_engine(place: Place, show: Callable[[Event], None], stop: StopRequest) -> Engine:
    """Wait until Debezium can start; tell once what is missing.

    In the background, because Java ignores signals, and a silent server takes its time.
    """
    told = set[str]()

    def tell(text: str) -> None:
        if text not in told:
            told.add(text)
            say(text)

    while True:
        try:
            postgres = in_background(place.ready, stop.check)
            tell("Starting Debezium ...")
            return in_background(partial(_engine, place, show, postgres), stop.check)
        except NotReady as exc:
            tell(str(exc))
        time.sleep(0.2)


def _engine(place: Place, show: Callable[[Event], None], postgres: PostgresSettings) -> Engine:
    java.start(place.folder)
    offsets = place.folder / "offsets"
    settle(postgres, place.slot, offsets)
    return Engine(
        engine_settings(postgres, place.slot, offsets),
        show=show,
        following=lambda: say(f"Following the feedback of {place.name}. Ctrl-C stops it."),
    )


def _is_over(place: Place, stop: StopRequest) -> bool:
    stop.check()
    return place.is_leaving()
