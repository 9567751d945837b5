"""JSON in the text of a model, which may think aloud, explain, or stop in the middle."""

import json
import re
from collections.abc import Iterator

from pydantic_core import from_json

Object = dict[str, object]

START = re.compile(r'\{\s*["}]')  # not each brace: thoughts about mathematics are full of LaTeX
TRIES = 32  # starts of objects; each takes time in the length of the text


def _object(pairs: list[tuple[str, object]]) -> Object:
    """An object. Of a key that is there twice it keeps the first value, too, as `key_`."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    return {f"{key}_": value for key, value in reversed(pairs)} | found


# Raw line breaks in strings are common. A number of 5,000 digits is infinite, not an error.
_decoder = json.JSONDecoder(strict=False, parse_int=float, object_pairs_hook=_object)


def find_objects(text: str) -> Iterator[tuple[Object, str]]:
    """The objects in the text, each with the name of the repair that it took, or "".

    The last one comes first, because a model drafts before it decides. Then those that the end of
    the text cuts off, the outermost one first.
    """
    text = _unquoted(text.strip("\ufeff \t\r\n"))
    for value, length in reversed(_closed(text)):
        yield value, "" if length == len(text) else "text around"
    for start in _starts(text):
        try:
            yield from_json(text[start:], allow_partial=True), "cut off"
        except ValueError:
            continue


def plain_word(value: object) -> str:
    """A word in one spelling: `Self-Harm ` is `self_harm`. Empty for what is not text."""
    if not isinstance(value, str):
        return ""
    return re.sub(r"[\W_]+", "_", value.casefold()).strip("_")


def _closed(text: str) -> list[tuple[Object, int]]:
    """The objects that are not inside of others, with the lengths of their texts."""
    found = []
    end = 0
    for start in _starts(text):
        if start < end:
            continue
        try:
            value, end = _decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        found.append((value, end - start))
    return found


def _unquoted(text: str) -> str:
    """Some models write the object as a string in JSON."""
    if not text.startswith('"'):
        return text
    try:
        return str(json.loads(text))
    except (ValueError, RecursionError):
        return text


def _starts(text: str) -> list[int]:
    found = [match.start() for match in START.finditer(text)]
    return found if len(found) <= TRIES else [*found[: TRIES // 2], *found[-TRIES // 2 :]]
