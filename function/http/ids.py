"""The id of a row: a new one, or the same one for each repeat of a request."""

import random
import re
import time
import uuid
from collections.abc import Callable
from urllib.parse import unquote_to_bytes
from uuid import UUID

from function.errors import InvalidRequest

# A string of https://www.rfc-editor.org/rfc/rfc8941#section-3.3.3, as the IETF draft of the
# header demands: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
_STRING = r'"(?:[^"\\]|\\["\\])*"'
_WORD = r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*"
_BARE_ITEM = rf"-?[0-9]+(?:\.[0-9]+)?|{_STRING}|{_WORD}|:[A-Za-z0-9+/=]*:|\?[01]"
QUOTED = re.compile(rf"({_STRING})(?:; *[a-z*][a-z0-9_.*-]*(?:=(?:{_BARE_ITEM}))?)*")
ENCODABLE = re.compile(r'[^!-~]|["%]')  # what percent-encoding changes
ENCODED_AGAIN = re.compile(rb"%(?:25)+(?=[0-9A-Fa-f]{2})")
PRINTABLE = re.compile(r"[ -~]{1,255}")

# A task_id and a message, before U+FFFD replaced what can't be stored.
Payload = tuple[str, str]


def parse_idempotency_key(header: str) -> str:
    """Return the key of an Idempotency-Key header.

    The quotes of a quoted key and the parameters after it are ignored.
    """
    quoted = QUOTED.fullmatch(header)
    key = re.sub(r"\\(.)", r"\1", quoted[1][1:-1]) if quoted else header
    if not PRINTABLE.fullmatch(key):
        raise InvalidRequest("Idempotency-Key must be 1 to 255 printable ASCII characters")
    return key


def repeatable_id(student_id: UUID, key: str) -> UUID:
    """Return the id for this student and key, which is always the same."""
    return uuid.uuid5(student_id, f"idempotency-key:{key}")


def event_row_id(student_id: UUID, source: str, event_id: str, payload: Payload) -> UUID:
    """Return the id for the student's event, which is the same each time and in each mode.

    The specification identifies an event by its source and id. The length separates the two.

    In headers they must be percent-encoded. The SDK for Python does that since 2.0, those for Go,
    JavaScript and Java don't. So the header `a%20b` is the id `a b` or the id `a%20b`. All
    spellings of such a source or id count as one, and the payload distinguishes the events: a
    repeat finds its row, and another event is stored.
    """
    if not ENCODABLE.search(source + event_id):
        return uuid.uuid5(student_id, f"cloudevent:{len(source)}:{source}{event_id}")
    name = ascii((_decode(source), _decode(event_id), payload))
    return uuid.uuid5(student_id, f"cloudevent-with-payload:{name}")


def _decode(text: str) -> bytes:
    """Undo percent-encoding, even if it was applied several times. The result may not be UTF-8."""
    return unquote_to_bytes(ENCODED_AGAIN.sub(b"%", text.encode()))


def payload_span_id(row_id: UUID, payload: Payload) -> str:
    """Return the span id that identifies this payload in its row: 16 hex digits."""
    return uuid.uuid5(row_id, ascii(payload)).hex[:16]


def _uuid7() -> UUID:
    """https://www.rfc-editor.org/rfc/rfc9562#section-5.7, with 74 random bits.

    They need to be unique, not secret. os.urandom would be a system call that releases the
    interpreter's lock in the middle of each request.
    """
    milliseconds = time.time_ns() // 1_000_000
    rand_a, rand_b = divmod(random.getrandbits(74), 1 << 62)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | rand_a << 64 | 0x2 << 62 | rand_b)


new_id: Callable[[], UUID] = getattr(uuid, "uuid7", _uuid7)
