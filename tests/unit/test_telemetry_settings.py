"""OTEL_* variables."""

import pytest

from function.settings import ConfigurationError, load
from function.tracing import Sampler

BASE = {"DATABASE_URL": "postgresql://u@h/d", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}


@pytest.mark.parametrize(
    ("environ", "sampler"),
    [
        ({}, Sampler(True, 0.1)),
        ({"OTEL_TRACES_SAMPLER_ARG": "0.5"}, Sampler(True, 0.5)),
        ({"OTEL_TRACES_SAMPLER": "traceidratio"}, Sampler(False, 1)),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, Sampler(False, 0)),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_on"}, Sampler(True, 1)),
    ],
)
def test_sampler(environ: dict[str, str], sampler: Sampler) -> None:
    settings = load({**BASE, **environ}).otlp
    assert settings
    assert settings.sampler == sampler


def test_sampling() -> None:
    """A caller's decision holds, and the random flag stays."""
    low, high = "0" * 31 + "1", "f" * 32
    tenth = Sampler(True, 0.1)
    assert (tenth.flags(low, None), tenth.flags(high, None)) == (1, 0)
    assert (tenth.flags(low, 2), tenth.flags(high, 3)) == (2, 3)
    assert (Sampler(False, 1).flags(high, 2), Sampler(False, 0).flags(low, 3)) == (3, 2)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1m"),
        ("METRICS_TOKEN_FILE", "/dev/null"),
    ],
)
def test_what_would_not_work_is_refused(name: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        load({**BASE, name: text})


def test_off() -> None:
    for name in ("OTEL_SDK_DISABLED", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        assert load({**BASE, name: "true" if name.endswith("D") else ""}).otlp is None
