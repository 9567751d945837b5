"""The id of a row: a new one, or one that a repeat of the request finds again."""

import random
import re
import time
import uuid
from collections.abc import Callable
from uuid import UUID

from function.errors import InvalidRequest

# A string of https://www.rfc-editor.org/rfc/rfc8941#section-3.3.3, as the IETF draft of the
# header demands: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
PRINTABLE = re.compile(r"[ -~]{1,255}")


def parse_idempotency_key(header: str) -> str:
    """Return the key of an Idempotency-Key header, without the quotes it may have."""
    quoted = QUOTED.fullmatch(header)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else header
    if not PRINTABLE.fullmatch(key):
        raise InvalidRequest("Idempotency-Key must be 1 to 255 printable ASCII characters")
    return key


def repeatable_id(student_id: UUID, key: str) -> UUID:
    """Return the id that this student's request with this key has, each time it comes."""
    return uuid.uuid5(student_id, f"idempotency-key:{key}")


def event_row_id(student_id: UUID, source: str, event_id: str) -> UUID:
    """Return the id that the student's event has each time it comes.

    By the specification, an event is told from all others by its source and id. The length says
    where one ends and the other begins.
    """
    return uuid.uuid5(student_id, f"cloudevent:{len(source)}:{source}{event_id}")


def _uuid7() -> UUID:
    """https://www.rfc-editor.org/rfc/rfc9562#section-5.7, with 74 random bits.

    They need to be unique, not secret. os.urandom would be a system call that gives the
    interpreter's lock away in the middle of each request.
    """
    milliseconds = time.time_ns() // 1_000_000
    rand_a, rand_b = random.getrandbits(12), random.getrandbits(62)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | rand_a << 64 | 0x2 << 62 | rand_b)


new_id: Callable[[], UUID] = getattr(uuid, "uuid7", _uuid7)
