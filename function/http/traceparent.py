"""The request's place in a distributed trace: https://www.w3.org/TR/trace-context/"""

import random
import re

# Versions after 00 may append fields; ff is not a version, and zeros are not an id.
TRACEPARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)


def continue_trace(traceparent: str) -> str:
    """Return the `traceparent` of a new span, in the caller's trace or in one of its own."""
    caller = TRACEPARENT.fullmatch(traceparent.strip())
    span_id = f"{random.getrandbits(64) or 1:016x}"
    if caller is None or (caller["version"] == "00" and caller["more"]):
        return f"00-{random.getrandbits(128) or 1:032x}-{span_id}-00"
    return f"00-{caller['trace']}-{span_id}-{int(caller['flags'], 16) & 1:02x}"
