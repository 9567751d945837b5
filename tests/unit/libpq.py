"""The URL parser of libpq 18, which comes with the embedded PostgreSQL."""

import ctypes
from importlib.util import find_spec
from pathlib import Path

from dev.paths import PACKAGE
from function.postgres_url import PARAMETERS, UNSUPPORTED


class _Option(ctypes.Structure):
    """https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PQCONNINFOPARSE"""

    _fields_ = [
        *((name, ctypes.c_char_p) for name in ("keyword", "envvar", "compiled", "val", "label")),
        ("dispchar", ctypes.c_char_p),
        ("dispsize", ctypes.c_int),
    ]


def _library() -> ctypes.CDLL:
    spec = find_spec(PACKAGE)
    assert spec
    assert spec.origin
    path = min(Path(spec.origin).parents[1].glob(f"{PACKAGE}*/**/libpq*5.18*"))
    library = ctypes.CDLL(str(path))
    library.PQconninfoParse.restype = ctypes.POINTER(_Option)
    return library


LIBPQ = _library()


def parse_by_libpq(url: str) -> dict[str, str] | None:
    """The variables that the URL stands for; None if libpq refuses it."""
    options = LIBPQ.PQconninfoParse(url.encode(), ctypes.byref(ctypes.c_char_p()))
    if not options:
        return None
    found = {}
    for option in options:
        if not option.keyword:
            break
        name = option.keyword.decode()
        if option.val and name in PARAMETERS | UNSUPPORTED:
            found[(PARAMETERS | UNSUPPORTED)[name]] = option.val.decode()
    LIBPQ.PQconninfoFree(options)
    return found
