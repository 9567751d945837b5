"""JSON in the text of a model, which may think aloud, explain, or stop in the middle."""

import json
import re
from collections.abc import Iterator
from itertools import chain

from pydantic_core import from_json

Object = dict[str, object]

START = re.compile(r'\{\s*["}]')  # not each brace: thoughts about mathematics are full of LaTeX
SEPARATORS = re.compile(r"[\W_]+")
# A model may write up to 256 KiB, all of which would keep the event loop from other requests.
TRIES = 32  # starts of objects
LONGEST = 32 * 1024  # characters of an object that are read; 2,048 tokens have fewer
ENOUGH = 64 * 1024  # characters of all objects, after which no other one is read


def _object(pairs: list[tuple[str, object]]) -> Object:
    """An object. Of a key that is there more than once it keeps the other values, too."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    return {f"{at}_{key}": value for at, (key, value) in enumerate(pairs)} | found


# Raw line breaks in strings are common. A number of 5,000 digits is infinite, not an error.
_decoder = json.JSONDecoder(strict=False, parse_int=float, object_pairs_hook=_object)


def find_objects(text: str) -> Iterator[tuple[Object, str]]:
    """The objects in the text, each with the name of the repair that it took, or "".

    The last one comes first, because a model drafts before it decides. Then those that the end of
    the text cuts off, the outermost one first.
    """
    text = _unquoted(text.strip("\ufeff \t\r\n"))
    left = ENOUGH
    for value, length, repair in chain(_whole(text), _cut_off(text)):
        yield value, repair
        left -= length
        if left < 0:
            return


def plain_word(value: object) -> str:
    """A word in one spelling: `Self-Harm ` is `self_harm`. Empty for what is not text."""
    if not isinstance(value, str):
        return ""
    return SEPARATORS.sub("_", value.casefold()).strip("_")


def _whole(text: str) -> Iterator[tuple[Object, int, str]]:
    for value, length in reversed(_closed(text)):
        yield value, length, "" if length == len(text) else "text around"


def _cut_off(text: str) -> Iterator[tuple[Object, int, str]]:
    for start in _starts(text):
        part = text[start : start + LONGEST]
        try:
            yield from_json(part, allow_partial=True), len(part), "cut off"
        except ValueError:
            continue


def _closed(text: str) -> list[tuple[Object, int]]:
    """The objects that are not inside of others, with the lengths of their texts."""
    found = []
    end = 0
    for start in _starts(text):
        if start < end:
            continue
        try:
            value, length = _decoder.raw_decode(text[start : start + LONGEST])
        except (ValueError, RecursionError):
            continue
        found.append((value, length))
        end = start + length
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
