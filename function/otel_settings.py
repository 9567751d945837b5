"""The configuration of the export, by OpenTelemetry's own variables.

A wrong value or one that is not supported is a warning and no error, as the specification demands:
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from function.tracing import Sampler
from function.variables import Variables, parse_http_url

SAMPLERS = (
    *("always_on", "always_off", "traceidratio"),
    *("parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"),
)
BASE = "OTEL_EXPORTER_OTLP"
SIGNALS = {"TRACES": "otlp", "METRICS": "otlp", "LOGS": "none"}  # and their default exporters
SUFFIXES = ("", *(f"_{signal}" for signal in SIGNALS))
PROPAGATORS = ("tracecontext,baggage", "baggage,tracecontext", "tracecontext")
FIXED = {  # the only values that are supported, and what they are without the variable
    f"{BASE}_PROTOCOL": ("http/protobuf",),
    f"{BASE}_TRACES_PROTOCOL": ("http/protobuf",),
    f"{BASE}_METRICS_PROTOCOL": ("http/protobuf",),
    f"{BASE}_LOGS_PROTOCOL": ("http/protobuf",),
    f"{BASE}_METRICS_TEMPORALITY_PREFERENCE": ("cumulative",),
    f"{BASE}_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": ("explicit_bucket_histogram",),
    "OTEL_METRICS_EXEMPLAR_FILTER": ("always_off",),
    "OTEL_PROPAGATORS": PROPAGATORS,
}
# What the exporters read themselves, also for one signal.
PER_SIGNAL = ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY", "COMPRESSION", "HEADERS")
LISTS = (
    "OTEL_RESOURCE_ATTRIBUTES",
    *(f"{BASE}{one}_HEADERS" for one in SUFFIXES),
)
READ = {  # all that has an effect
    *("OTEL_SDK_DISABLED", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"),
    *("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"),
    *("OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"),
    *("OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "OTEL_BSP_SCHEDULE_DELAY"),
    "OTEL_METRIC_EXPORT_INTERVAL",
    *FIXED,
    *(
        f"{BASE}{signal}_{name}"
        for signal in SUFFIXES
        for name in ("ENDPOINT", "TIMEOUT", *PER_SIGNAL)
    ),
}
LONGEST_TIMEOUT = 60  # seconds; who gives milliseconds gives more


class OtlpSettings(NamedTuple):
    """What is exported by OTLP, and how often; times are in seconds."""

    traces: bool
    metrics: bool
    logs: bool
    sampler: Sampler
    queue_size: int
    batch_size: int
    batch_interval: float
    metrics_interval: float
    traces_timeout: float
    metrics_timeout: float
    logs_timeout: float


def read_otlp_settings(variables: Variables) -> tuple[OtlpSettings | None, tuple[str, ...]]:
    """Read OTEL_*; return None where nothing is exported, and what has another effect than told."""
    otel = Variables(variables.environ)
    given = [name for name in otel.environ if name.startswith("OTEL_") and otel.text(name)]
    if not given or otel.choice("OTEL_SDK_DISABLED", "false", ("true", "false")) == "true":
        return None, tuple(otel.problems)
    exported = {signal: _is_exported(otel, signal, default) for signal, default in SIGNALS.items()}
    settings = _read(otel, exported) if any(exported.values()) else None
    if settings:
        otel.problems.extend(_contradictions(otel))
        otel.problems.extend(f"{name}: has no effect" for name in sorted({*given} - READ))
    return settings, tuple(dict.fromkeys(otel.problems))  # one may be told for each signal


def _is_exported(otel: Variables, signal: str, default: str) -> bool:
    exporter = f"OTEL_{signal}_EXPORTER"
    name = f"{BASE}_{signal}_ENDPOINT"
    if not otel.text(name):
        name = f"{BASE}_ENDPOINT"
    elif default == "none":
        default = "otlp"
    if otel.choice(exporter, default, ("otlp", "none")) == "none":
        return False
    url = otel.text(name)
    if url is None:
        if otel.text(exporter):
            otel.problems.append(f"{name}: missing, so {exporter} exports nothing")
        return False
    parts = parse_http_url(url)
    if parts is None or (name == f"{BASE}_ENDPOINT" and (parts.query or parts.fragment)):
        otel.problems.append(f"{name}: must be http(s)://host[:port]/path, so nothing is exported")
        return False
    return _is_installed(otel)


def _is_installed(otel: Variables) -> bool:
    from importlib.util import find_spec  # most starts do without it

    installed = bool(find_spec("opentelemetry") and find_spec("requests"))
    if not installed:
        otel.problems.append(f"{BASE}_ENDPOINT: needs the extra otel: pip install '.[otel]'")
    return installed


def _read(otel: Variables, exported: Mapping[str, bool]) -> OtlpSettings:
    queue_size = otel.integer("OTEL_BSP_MAX_QUEUE_SIZE", 2048, at_most=100_000)
    batch_size = otel.integer("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, at_most=100_000)
    if batch_size > queue_size:
        otel.problems.append("OTEL_BSP_MAX_EXPORT_BATCH_SIZE: at most OTEL_BSP_MAX_QUEUE_SIZE")
    return OtlpSettings(
        traces=exported["TRACES"],
        metrics=exported["METRICS"],
        logs=exported["LOGS"],
        sampler=_read_sampler(otel),
        queue_size=queue_size,
        batch_size=min(batch_size, queue_size),
        batch_interval=_read_interval(otel, "OTEL_BSP_SCHEDULE_DELAY", 5000),
        metrics_interval=_read_interval(otel, "OTEL_METRIC_EXPORT_INTERVAL", 60_000),
        traces_timeout=_read_timeout(otel, "TRACES"),
        metrics_timeout=_read_timeout(otel, "METRICS"),
        logs_timeout=_read_timeout(otel, "LOGS"),
    )


def _read_interval(otel: Variables, name: str, default: int) -> float:
    return otel.integer(name, default, at_most=3_600_000) / 1000


def _read_timeout(otel: Variables, signal: str) -> float:
    general = otel.seconds(f"{BASE}_TIMEOUT", 10, at_most=LONGEST_TIMEOUT)
    return otel.seconds(f"{BASE}_{signal}_TIMEOUT", general, at_most=LONGEST_TIMEOUT)


def _read_sampler(otel: Variables) -> Sampler:
    """A tenth of the traces that begin here, unless the variables say something else."""
    name = otel.choice("OTEL_TRACES_SAMPLER", "", SAMPLERS)
    kind = name.removeprefix("parentbased_") or "traceidratio"
    ratio = {"always_on": 1.0, "always_off": 0.0}.get(kind)
    if ratio is None:
        ratio = _read_ratio(otel, 1.0 if name else 0.1)
    elif otel.text("OTEL_TRACES_SAMPLER_ARG"):
        otel.problems.append(f"OTEL_TRACES_SAMPLER_ARG: has no effect with {name}")
    return Sampler(not name or name.startswith("parentbased_"), ratio)


def _read_ratio(otel: Variables, default: float) -> float:
    text = otel.text("OTEL_TRACES_SAMPLER_ARG")
    try:
        ratio = default if text is None else float(text)
    except ValueError:
        ratio = -1
    if not 0 <= ratio <= 1:
        otel.problems.append("OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1")
        return default
    return ratio


def _contradictions(otel: Variables) -> Iterator[str]:
    for name, choices in FIXED.items():
        otel.choice(name, choices[0], choices)
    for name in LISTS:
        items = [one for one in (otel.text(name) or "").split(",") if one.strip()]
        if not all(one.partition("=")[0].strip() and "=" in one for one in items):
            yield f"{name}: must be key=value, with commas between"
    for signal in SUFFIXES:
        otel.choice(f"{BASE}{signal}_COMPRESSION", "none", ("none", "gzip", "deflate"))
        for kind in ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"):
            otel.file(f"{BASE}{signal}_{kind}")
        key, certificate = f"{BASE}{signal}_CLIENT_KEY", f"{BASE}{signal}_CLIENT_CERTIFICATE"
        if otel.text(key) and not (
            otel.text(certificate) or otel.text(f"{BASE}_CLIENT_CERTIFICATE")
        ):
            yield f"{certificate}: missing, and {key} needs it"
