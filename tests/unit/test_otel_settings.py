"""OTEL_* variables, each as docs/observability.md tells."""

import fnmatch
import re

import pytest
from opentelemetry.sdk import environment_variables

from function.otel_settings import FIXED, READ, SIGNALS, OtlpSettings
from function.settings import load
from function.tracing import Sampler
from tests.instance import ROOT

BASE = {"DATABASE_URL": "postgresql://u@h/d", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}
GUIDE = (ROOT / "docs/observability.md").read_text(encoding="utf-8")
TABLE = re.findall(r"^\| (`OTEL_[^|]*) \|([^|]*)\|", GUIDE, re.MULTILINE)
NAMES = [name for names, _ in TABLE for name in re.findall(r"OTEL_\w+", names)]
DEFAULTS = [
    dict(zip(re.findall(r"OTEL_\w+", names), re.findall(r"`([^`]+)`", told), strict=False))
    for names, told in TABLE
]


def read(**environ: str) -> tuple[OtlpSettings, tuple[str, ...]]:
    settings = load({**BASE, **environ})
    assert settings.otlp
    return settings.otlp, settings.warnings


def for_signals(name: str) -> set[str]:
    prefix, found, rest = name.partition("OTEL_EXPORTER_OTLP_")
    if not found or rest.startswith("METRICS_"):
        return {name}
    return {name, *(f"{prefix}{found}{signal}_{rest}" for signal in SIGNALS)}


def test_table() -> None:
    """It names what is read, and its defaults are those of the function."""
    assert set().union(*map(for_signals, NAMES)) == READ
    assert len(DEFAULTS) > 12
    without = read()
    assert without[1] == ()
    for environ in DEFAULTS:
        assert read(**environ) == without, environ


@pytest.mark.parametrize("name", sorted(READ - {"OTEL_SERVICE_NAME", "OTEL_SDK_DISABLED"}))
def test_what_is_wrong_is_a_warning(name: str) -> None:
    """The function starts with the default, and says what it did not follow."""
    settings = load({**BASE, name: "\u2603"})
    assert any(one.startswith(name) for one in settings.warnings)
    if not name.endswith("_ENDPOINT"):
        assert settings.otlp == read()[0]


def test_names_of_the_sdk() -> None:
    """Each is in the document; those without an effect are warned of."""
    known = {
        name
        for name in vars(environment_variables)
        if name.startswith("OTEL_") and not re.match("OTEL_(PYTHON|EXPERIMENTAL)_", name)
    }
    told = re.findall(r"OTEL_[A-Z_*]+", GUIDE)
    others = {"OTEL_EXPORTER_JAEGER_*", "OTEL_EXPORTER_ZIPKIN_*", "OTEL_EXPORTER_PROMETHEUS_*"}
    patterns = [*told, *others, "OTEL_EXPORTER_OTLP*_INSECURE"]
    for name in known - READ:
        assert any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns), name
        assert f"{name}: has no effect" in read(**{name: "1"})[1]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10000"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4317"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Bearer abc"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", __file__),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4096"),
        ("OTEL_METRICS_EXPORTER", "prometheus"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1m"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("OTEL_EXPORTER_OTLP_ENDPOIN", "http://c:4318"),
    ],
)
def test_what_would_lose_data(name: str, text: str) -> None:
    _, warnings = read(**{name: text})
    assert len(warnings) == 1
    assert not re.search("abc|4317", warnings[0])


@pytest.mark.parametrize("end", ["?key=1", "/#x"])
def test_an_address_to_which_no_path_can_be_added(end: str) -> None:
    settings = load({**BASE, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://c:4318{end}"})
    assert settings.otlp is None
    assert settings.warnings[0].startswith("OTEL_EXPORTER_OTLP_ENDPOINT: must be")
    assert read(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"http://c:4318{end}")[0].traces


def test_an_exporter_without_an_endpoint() -> None:
    environ = {"DATABASE_URL": BASE["DATABASE_URL"], "OTEL_TRACES_EXPORTER": "otlp"}
    [warning] = load(environ).warnings
    assert warning.startswith("OTEL_EXPORTER_OTLP_ENDPOINT: missing")


@pytest.mark.parametrize("signal", ["TRACES", "METRICS"])
def test_one_signal(signal: str) -> None:
    url = {f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT": "http://c/x"}
    otlp = load({"DATABASE_URL": BASE["DATABASE_URL"], **url}).otlp
    assert otlp
    assert (otlp.traces, otlp.metrics) == (signal == "TRACES", signal == "METRICS")
    only, _ = read(**{f"OTEL_{signal}_EXPORTER": "none"})
    assert (only.traces, only.metrics) == (signal != "TRACES", signal != "METRICS")


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
    assert read(**environ)[0].sampler == sampler


def test_sampling() -> None:
    """A caller's decision holds, and the random flag stays."""
    low, high = "0" * 31 + "1", "f" * 32
    tenth = Sampler(True, 0.1)
    assert (tenth.flags(low, None), tenth.flags(high, None)) == (1, 0)
    assert (tenth.flags(low, 2), tenth.flags(high, 3)) == (2, 3)
    assert (Sampler(False, 1).flags(high, 2), Sampler(False, 0).flags(low, 3)) == (3, 2)


def test_off() -> None:
    for name in ("OTEL_SDK_DISABLED", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        assert load({**BASE, name: "true" if name.endswith("D") else ""}).otlp is None
    assert FIXED.keys() < READ
