"""Metrics, as counters in plain Python that a scrape and an export read.

A request pays 1 us for all of them, and 0.3 us where nobody reads them. One histogram of
prometheus_client takes 3 us, one of OpenTelemetry's SDK 28 us, and both would have to be imported
before the first answer. Names and units are those of OpenTelemetry's semantic conventions, where
there are any.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

SERIES_LIMIT = 200  # of one metric, whatever clients, PostgreSQL or models send
OTHER = "_OTHER"  # the value of each label beyond that

Labels = tuple[str, ...]

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
STATEMENT_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
MODEL_SECONDS = tuple(0.01 * 2**power for power in range(14))
TOKENS = tuple(4**power for power in range(14))
ROWS = (1, 2, 4, 8, 16, 32, 64, 128)


class Series(NamedTuple):
    """The values of one set of labels: one value, or the counts of all buckets and the sum."""

    labels: Labels
    values: Sequence[float]


class Metric:
    """A counter, a gauge, or with `bounds` a histogram. Only the event loop changes it."""

    enabled: ClassVar[bool] = False
    started_at: ClassVar[int] = 0  # nanoseconds since 1970
    every: ClassVar[list[Metric]] = []

    def __init__(  # noqa: PLR0913, PLR0917 - what a metric is made of
        self,
        kind: str,
        name: str,
        unit: str,
        description: str,
        label_names: Labels = (),
        bounds: Sequence[float] = (),
    ) -> None:
        """`kind` is "counter", "updown", "gauge" or "histogram"."""
        self.kind = kind
        self.name = name
        self.unit = unit
        self.description = description
        self.label_names = label_names
        self.bounds = bounds
        self._zeros = [0.0] * (len(bounds) + 2 if bounds else 1)
        self._series: dict[Labels, list[float]] = {}
        self.every.append(self)

    def add(self, amount: float, *labels: str) -> None:
        """Count; the labels are in the order of their names, and "" stands for none."""
        if self.enabled:
            values = self._series.get(labels) or self._open(labels)
            values[0] += amount

    def set(self, value: float, *labels: str) -> None:
        """Set a gauge."""
        if self.enabled:
            self._open(labels)[0] = value

    def observe(self, value: float, *labels: str) -> None:
        """Add a value to a histogram."""
        if self.enabled:
            values = self._series.get(labels) or self._open(labels)
            values[bisect_left(self.bounds, value)] += 1
            values[-1] += value

    def _open(self, labels: Labels) -> list[float]:
        if labels not in self._series and len(self._series) >= SERIES_LIMIT:
            labels = (OTHER,) * len(labels)
        return self._series.setdefault(labels, self._zeros.copy())

    def read(self) -> list[Series]:
        """Copy all series; any thread may do so, because each copy is one step of CPython."""
        return [Series(labels, tuple(values)) for labels, values in self._series.copy().items()]


HTTP_DURATION = Metric(
    *("histogram", "http.server.request.duration", "s"),
    "Time from a request's head to its answer.",
    ("http.request.method", "http.route", "http.response.status_code", "error.type"),
    SECONDS,
)
HTTP_ACTIVE = Metric(
    *("updown", "http.server.active_requests", "{request}"),
    "Requests under way.",
    ("http.request.method",),
)
REFUSALS = Metric(
    *("counter", "mentor.http.refusals", "{request}"),
    "Answers of connections, to what never became a request.",
    ("http.response.status_code",),
)
FEEDBACK = Metric(
    *("counter", "mentor.feedback", "{feedback}"),
    "Feedback that was answered with its row; a replay has found the row of an earlier request.",
    ("replayed",),
)
CONCERNS = Metric(
    *("counter", "mentor.concerns", "{concern}"),
    "Dangers to students that messages told of.",
    ("concern", "stored"),
)
STATEMENT_DURATION = Metric(
    *("histogram", "db.client.operation.duration", "s"),
    "Time of a statement; error.type is its SQLSTATE, or the kind of a lost connection.",
    ("db.system.name", "db.collection.name", "db.operation.name", "error.type"),
    STATEMENT_SECONDS,
)
STATEMENT_ROWS = Metric(
    *("histogram", "mentor.group_commit.rows", "{row}"),
    "Rows that one INSERT brought.",
    (),
    ROWS,
)
STATEMENT_WAIT = Metric(
    *("histogram", "mentor.group_commit.wait", "s"),
    "Time that a request waited for the statement before its own.",
    (),
    STATEMENT_SECONDS,
)
CONNECTS = Metric(
    *("counter", "mentor.db.connects", "{connection}"),
    "Attempts to connect to PostgreSQL; error.type is none where one succeeded.",
    ("error.type",),
)
MODEL_LABELS = ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model")
MODEL_DURATION = Metric(
    *("histogram", "gen_ai.client.operation.duration", "s"),
    "Time of a question to the model, with all its attempts.",
    (*MODEL_LABELS, "error.type"),
    MODEL_SECONDS,
)
MODEL_TOKENS = Metric(
    *("histogram", "gen_ai.client.token.usage", "{token}"),
    "Tokens of a question, as the provider counted them.",
    (*MODEL_LABELS, "gen_ai.token.type"),
    TOKENS,
)
QUESTIONS = Metric(
    *("counter", "mentor.questions", "{question}"),
    "Questions to the model, also those that the circuit breaker kept from it.",
    ("outcome", "reason"),
)
REPAIRS = Metric(
    *("counter", "mentor.repairs", "{repair}", "Repairs of the model's answers.", ("repair",))
)
SPANS_DROPPED = Metric(
    *("counter", "mentor.spans.dropped", "{span}"),
    "Spans that were not exported: too many waited, or the collector did not take them.",
)
LINES_DROPPED = Metric("counter", "mentor.log.dropped", "{line}", "The same of the log's lines.")
START_DURATION = Metric(
    *("gauge", "mentor.start.duration", "s"),
    "Time from the start of the process.",
    ("until",),
)
BUILD = Metric(
    *("gauge", "mentor.build", ""),
    "Always 1; the labels tell what runs.",
    ("version", "python"),
)

_reached: dict[str, float] = {}  # phases of the start, on the monotonic clock


def enable() -> None:
    """Begin to count. Without this no metric costs anything."""
    if not Metric.enabled:
        Metric.enabled = True
        Metric.started_at = time.time_ns()


def reach(phase: str) -> None:
    """Note that the start has come so far, if it is the first time."""
    if Metric.enabled and phase not in _reached:
        _reached[phase] = time.monotonic()


def read_all() -> Iterable[Metric]:
    """Return all metrics, after setting those that do not change by requests."""
    from function.process import process_start, version  # few processes need it

    BUILD.set(1, *version())
    if start := process_start():
        for phase, when in _reached.copy().items():
            START_DURATION.set(when - start, phase)
    return Metric.every
