"""The metrics in Prometheus' formats: https://prometheus.io/docs/instrumenting/exposition_formats/

Names are those that Prometheus gives to the same metrics when it receives them by OTLP.
"""

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.core import (
    Metric as Family,
)
from prometheus_client.exposition import choose_encoder

from function.metrics import Metric, Series, read_all

SUFFIXES = {"s": "_seconds"}  # by unit; one in braces has none


class Metrics:
    """Collects all metrics, as prometheus_client's registry demands."""

    def collect(self) -> Iterator[Family]:
        """Convert each metric at the time of the scrape."""
        return map(_family, read_all())

    def describe(self) -> list[Family]:
        """There is nothing to say before a scrape."""
        return []


_registry = CollectorRegistry()
_registry.register(Metrics())
ProcessCollector(registry=_registry)  # CPU, memory and descriptors


def render(accept: str) -> tuple[bytes, str]:
    """Return the body and its media type, in the format that the scraper prefers."""
    try:
        encode, content_type = choose_encoder(accept)
    except TypeError:  # it compares numbers with a version that has none, or is in quotes
        encode, content_type = choose_encoder("")
    return encode(_registry), content_type


def _family(metric: Metric) -> Family:
    name = metric.name.replace(".", "_") + SUFFIXES.get(metric.unit, "")
    labels = [label.replace(".", "_") for label in metric.label_names]
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(name, metric.description, labels=labels)
        for one in metric.read():
            histogram.add_metric(one.labels, _buckets(metric, one), one.values[-1])
        return histogram
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(name, metric.description, labels=labels)
    for one in metric.read():
        family.add_metric(one.labels, one.values[0])
    return family


def _buckets(metric: Metric, series: Series) -> list[tuple[str, float]]:
    bounds = [*(f"{float(bound):.10g}" for bound in metric.bounds), "+Inf"]
    return list(zip(bounds, accumulate(series.values[:-1]), strict=True))
