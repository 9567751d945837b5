"""Spans, as plain records that an export reads later.

A record takes about 3 us. A span of OpenTelemetry's SDK takes 102 us, and 20 us if it is not
sampled. https://opentelemetry.io/docs/specs/otel/trace/api/
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context, ContextVar, copy_context
from typing import Generic, NamedTuple, TypeVar

from function.metrics import Metric

T = TypeVar("T")
SAMPLED = 0x01
STATE_LIMIT = 512  # characters, which every participant must pass on: W3C Trace Context
Attributes = dict[str, str | int | bool | tuple[str, ...]]
TRACE, SPAN = slice(3, 35), slice(36, 52)  # in a traceparent


class Sampler(NamedTuple):
    """Which traces to record: `ratio` of them, or with `parent_based` those of callers who do."""

    parent_based: bool
    ratio: float

    def flags(self, trace_id: str, caller: int | None) -> int:
        """The flags of a span; `caller` are those of its parent, if it has one."""
        if self.parent_based and caller is not None:
            return caller
        chosen = int(trace_id[16:], 16) < self.ratio * 2**64
        return (caller or 0) & ~SAMPLED | chosen


class Span:
    """A span that is sampled. The times are nanoseconds since 1970.

    No dataclass, because making one takes a millisecond of each cold start.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a span is made of
        self,
        traceparent: str,
        parent_id: str,
        kind: str,
        name: str,
        started: int,
        tracestate: str = "",
        attributes: Attributes | None = None,
    ) -> None:
        self.traceparent = traceparent
        self.parent_id = parent_id
        self.kind = kind
        self.name = name
        self.started = started
        self.tracestate = tracestate
        self.attributes: Attributes = attributes or {}
        self.links: list[str] = []  # traceparents
        self.failed = False
        self.ended = 0

    def finish(self) -> None:
        """Hand it over to the export. If too many wait, the oldest one is dropped."""
        self.ended = time.time_ns()
        if buffer:
            buffer.add(self)


class Buffer(Generic[T]):
    """What waits for the export, at most `limit`; `notify` is called when a batch is full."""

    def __init__(self, limit: int, batch: int, notify: Callable[[], None], lost: Metric) -> None:
        """`lost` counts what is dropped."""
        self.lost = lost
        self.batch = batch
        self._waiting: deque[T] = deque(maxlen=limit)
        self._notify = notify

    def add(self, one: T) -> None:
        """Add one; if too many wait, the oldest one is dropped."""
        number = len(self._waiting)
        if number == self._waiting.maxlen:
            self.lost.add(1)
        self._waiting.append(one)
        if number + 1 == self.batch:
            self._notify()

    def take(self) -> list[T]:
        """Take a batch at most, the oldest first; only one thread may do so."""
        return [self._waiting.popleft() for _ in range(min(self.batch, len(self._waiting)))]


sampler: Sampler | None = None
buffer: Buffer[Span] | None = None
# The spans of the request in progress: its own first, then one for each event with its own trace.
current: ContextVar[Sequence[Span]] = ContextVar("current", default=())


def enable(chosen: Sampler, finished: Buffer[Span]) -> None:
    """Begin to record."""
    global sampler, buffer
    sampler, buffer = chosen, finished


def flags(trace_id: str, caller: int | None) -> int:
    """Return the flags of a new span; without tracing, the caller's decision goes on."""
    return sampler.flags(trace_id, caller) if sampler else caller or 0


def begin(kind: str, name: str, traceparent: str, caller: str, tracestate: str = "") -> Span | None:
    """Begin the span that this traceparent of ours names; None where it is not sampled."""
    if buffer is None or traceparent[-1] not in "13":
        return None
    caller = caller.strip()
    now = time.time_ns()
    if caller[TRACE] != traceparent[TRACE]:  # a new trace, which has no state of another
        return Span(traceparent, "", kind, name, now)
    state = tracestate if len(tracestate) <= STATE_LIMIT else ""
    return Span(traceparent, caller[SPAN], kind, name, now, state)


def begin_event(traceparent: str, caller: str, tracestate: str) -> None:
    """Begin the span of an event whose trace is not its request's; it ends with the request."""
    span = begin("CONSUMER", "process mentor.feedback.submitted", traceparent, caller, tracestate)
    if span:
        known = current.get()
        span.links.extend(one.traceparent for one in known[:1])
        current.set([*known, span])


def context_of(traceparent: str) -> Context:
    """Copy the context for work on one row: its span is the one in progress, if it is recorded.

    Else each question about a batch would be linked from the spans of all events.
    """
    context = copy_context()
    known = current.get()
    if len(known) > 1:
        own = next((span for span in known if span.traceparent == traceparent), known[0])
        context.run(current.set, [own])
    return context


def record_client(
    parents: Sequence[Span],
    name: str,
    started: int,
    attributes: Attributes,
    *,
    failed: bool,
) -> None:
    """Record a finished call, as a child of the first parent and linked from the others."""
    if not parents:
        return
    first, *others = parents
    traceparent = (
        f"{first.traceparent[:36]}{random.getrandbits(64) or 1:016x}{first.traceparent[52:]}"
    )
    parent_id = first.traceparent[SPAN]
    span = Span(traceparent, parent_id, "CLIENT", name, started, first.tracestate, attributes)
    span.failed = failed
    for one in others:
        one.links.append(traceparent)
    span.finish()
