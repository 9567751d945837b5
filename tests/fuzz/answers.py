"""The answers on a connection, as far as hosts must agree on them."""

import json
import re
from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

from function.hosts import refusals

HEAD = re.compile(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")
LENGTH = re.compile(rb"^content-length: *(\d+)\r$", re.IGNORECASE | re.MULTILINE)
PROTOCOL = (501, 505)  # RFC 9110, 15.6: an unknown transfer coding or version
MESSAGES = {one.message for one in vars(refusals).values() if isinstance(one, refusals.Refusal)}


class Outcome(NamedTuple):
    """The status of an answer, the code of an error, and whether the host itself refused."""

    status: int
    code: str | None
    refused: bool


def read_answers(received: bytes) -> list[Outcome]:
    """Read what came until the end of the connection; an answer to HEAD has no body."""
    found = []
    while received:
        head = HEAD.match(received)
        assert head, f"not an answer: {received[:200]!r}"
        received = received[head.end() :]
        if int(head[1]) == 100:  # Continue
            continue
        length = LENGTH.search(head[2])
        assert length, f"an answer without a length: {head[0]!r}"
        body = b""
        if received and not received.startswith(b"HTTP/1."):
            body, received = received[: int(length[1])], received[int(length[1]) :]
        found.append(_outcome(int(head[1]), body))
    return found


def _outcome(status: int, body: bytes) -> Outcome:
    if not body.startswith(b"{") or status < 400:
        assert status < 400 or not body, f"{status} without a code: {body[:200]!r}"
        return Outcome(status, None, False)
    error = json.loads(body)
    message = error.get("message") or error.get("detail")
    return Outcome(status, error.get("code"), message in MESSAGES)


def disagree(ours: Sequence[Outcome], theirs: Sequence[Outcome]) -> bool:
    """Whether two hosts read the same bytes differently.

    Their parsers may refuse different faults, and then read no further.
    """
    for one, other in zip_longest(ours, theirs):
        if one == other and not one.refused:
            continue
        return not any(answer is None or answer.refused for answer in (one, other))
    return False
