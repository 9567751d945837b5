"""Imports pg8000 without modules that it does not need here.

They take 21 of the 133 ms of CPU that the container's imports take. pg8000 and scramp read their
own versions with importlib.metadata, and pg8000 parses dates of unusual formats with dateutil.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType


def _parse(text: str) -> object:
    from dateutil import parser  # the real one, when the stand-ins are gone

    return parser.parse(text)


STAND_INS: Mapping[str, Mapping[str, object]] = {
    "importlib.metadata": {"version": lambda name: "unknown"},
    "dateutil": {},
    "dateutil.parser": {"ParserError": ValueError, "parse": _parse},
}


@contextmanager
def stand_ins() -> Iterator[None]:
    """Put the stand-ins where modules are not imported yet, and remove them at the end."""
    added = [name for name in STAND_INS if name not in sys.modules]
    for name in added:
        module = ModuleType(name)
        vars(module).update(STAND_INS[name])
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in added:
            del sys.modules[name]
