"""Counters in plain Python."""

from collections.abc import Iterator

import pytest

from function.metrics import OTHER, SERIES_LIMIT, Metric
from function.tracing import Buffer


@pytest.fixture(autouse=True)
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    every = Metric.every.copy()
    monkeypatch.setattr(Metric, "enabled", True)
    yield
    Metric.every[:] = every


def test_histogram() -> None:
    """A value on a bound belongs to the bucket below, as in Prometheus and OpenTelemetry."""
    histogram = Metric("histogram", "h", "s", "", ("a",), (1, 2))
    for value in (0.5, 1, 1.5, 9):
        histogram.observe(value, "x")
    assert histogram.read() == [(("x",), (2, 1, 1, 12))]


def test_series_are_bounded() -> None:
    """What a stranger sends beyond the limit is counted as one series."""
    counter = Metric("counter", "c", "", "", ("a", "b"))
    for number in range(2 * SERIES_LIMIT):
        counter.add(1, str(number), "b")
    series = dict(counter.read())
    assert len(series) == SERIES_LIMIT + 1
    assert series[OTHER, OTHER] == (SERIES_LIMIT,)


def test_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is counted where nobody reads it."""
    monkeypatch.setattr(Metric, "enabled", False)
    counter = Metric("counter", "c", "", "")
    counter.add(1)
    assert counter.read() == []


def test_a_full_buffer() -> None:
    """The oldest is dropped and counted, and a full batch is told of once."""
    told: list[int] = []
    lost = Metric("counter", "lost", "", "")
    buffer: Buffer[int] = Buffer(5, 2, lambda: told.append(1), lost)
    for number in range(8):
        buffer.add(number)
    assert lost.read() == [((), (3,))]
    assert [buffer.take() for _ in range(4)] == [[3, 4], [5, 6], [7], []]
    assert told == [1]
