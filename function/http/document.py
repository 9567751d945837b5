"""Parsing of JSON from clients, which may be anything."""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterable

from function.errors import InvalidRequest

CONTAINERS = (dict, list)  # `dict | list` would make a new type each time
DEPTH_LIMIT = 512  # levels of arrays and objects; half of what Python's stack allows


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# No number is used, so none is too long to be an int.
_decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=float)


def parse_json(body: bytes, name: str = "the body") -> object:
    """Parse UTF-8 JSON, with or without a BOM; a byte that is not UTF-8 becomes a lone surrogate.

    Raises InvalidRequest with the place of the error, without any text of the body. Lines and
    columns count from 1, and columns count characters, not bytes. The error calls `body` `name`.
    """
    text = body.removeprefix(BOM_UTF8).decode(errors="surrogateescape")
    try:
        return _decoder.decode(text)
    except RecursionError:
        raise InvalidRequest(f"{name} is nested too deeply") from None
    except ValueError as exc:
        if not text.strip():
            raise InvalidRequest(f"{name} is empty") from None
        position = _find_error(text, exc)
        line = text.count("\n", 0, position) + 1
        column = position - text.rfind("\n", 0, position)
        place = f"line {line}, column {column}"
        raise InvalidRequest(f"{name} is not valid JSON at {place}") from None


def require_shallow(document: object, name: str) -> None:
    """Raise InvalidRequest for more levels than DEPTH_LIMIT, wherever the document was.

    How deeply Python can parse depends on its stack, and on what encloses the document.
    """
    level = [document]
    for _ in range(DEPTH_LIMIT):
        level = [part for whole in level for part in _containers(whole)]
        if not level:
            return
    raise InvalidRequest(f"{name} is nested too deeply")


def _containers(whole: object) -> Iterable[object]:
    """The arrays and objects directly in this one."""
    if isinstance(whole, dict):
        whole = [*whole.values()]
    if not isinstance(whole, list):
        return ()
    return [part for part in whole if isinstance(part, CONTAINERS)]


def _find_error(text: str, error: ValueError) -> int:
    """Return the same position in each version of Python."""
    if not isinstance(error, json.JSONDecodeError):
        return _find_constant(text)
    if error.msg.startswith("Illegal trailing comma"):  # before 3.13, the bracket is the error
        return len(text) - len(text[error.pos + 1 :].lstrip(" \t\r\n"))
    return error.pos


def _find_constant(text: str) -> int:
    """Find the first NaN, Infinity or -Infinity outside of strings."""
    tokens = re.finditer(r'"(?:[^"\\]|\\.)*"|-?Infinity|NaN', text)
    return next(token.start() for token in tokens if not token[0].startswith('"'))
