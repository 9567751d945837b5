"""The request's place in a distributed trace: https://www.w3.org/TR/trace-context/"""

import random
import re

from function import tracing

# Versions after 00 may append fields; ff is not a version, and zeros are not an id.
TRACEPARENT = re.compile(
    r"(?:00(?=.{53}\Z)|(?!00|ff)[0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}"
    r"-[0-9a-f]{2}(?:-.*)?"
)
FLAGS = 0x03  # sampled, and random-trace-id of Level 2; no other flag may be passed on


def continue_trace(traceparent: str, span_id: str = "") -> str:
    """Return the `traceparent` of a new span, in the caller's trace or in one of its own.

    The span's id is random, unless it is given.
    """
    traceparent = traceparent.strip()
    span_id = span_id or f"{random.getrandbits(64) or 1:016x}"
    trace_id, flags = traceparent[3:35], None
    if TRACEPARENT.fullmatch(traceparent):
        flags = int(traceparent[53:55], 16) & FLAGS
    else:
        trace_id = f"{random.getrandbits(128) or 1:032x}"
    return f"00-{trace_id}-{span_id}-{tracing.flags(trace_id, flags):02x}"


def continue_event(request: str, event: str, tracestate: str, span_id: str) -> str:
    """Return the `traceparent` for an event's row: the span of its request, or one of its own.

    It has one of its own where the event has a trace, or its `span_id` is given. The `tracestate`
    is that of the event's trace.
    """
    if not (event or span_id):
        return request
    caller = event or request
    own = continue_trace(caller, span_id)
    tracing.begin_event(own, caller, tracestate)
    return own
