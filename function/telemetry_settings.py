"""The configuration of metrics and traces."""

from pathlib import Path
from typing import NamedTuple

from function.tracing import Sampler
from function.variables import OFF, ON, Variables, parse_http_url

SAMPLERS = (
    *("always_on", "always_off", "traceidratio"),
    *("parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"),
)


class MetricsSettings(NamedTuple):
    """Whether /metrics is served, and the file of the token that a scrape must bring."""

    served: bool
    token_file: Path | None


class OtlpSettings(NamedTuple):
    """What is exported by OTLP, and how often; times are in seconds."""

    traces: bool
    metrics: bool
    sampler: Sampler
    queue_size: int
    batch_size: int
    traces_interval: float
    metrics_interval: float


def read_otlp_settings(variables: Variables) -> OtlpSettings | None:
    """Read OTEL_*; None where nothing is exported. The exporters read OTEL_EXPORTER_OTLP_*."""
    if variables.choice("OTEL_SDK_DISABLED", "false", ("true", "false")) == "true":
        return None
    traces, metrics = (_is_exported(variables, signal) for signal in ("TRACES", "METRICS"))
    if not (traces or metrics):
        return None
    from importlib.util import find_spec  # most starts do without it

    if find_spec("opentelemetry") is None or find_spec("requests") is None:
        variables.problems.append(
            "OTEL_EXPORTER_OTLP_ENDPOINT: needs the extra otel: pip install '.[otel]'"
        )
    for name in ("OTEL_EXPORTER_OTLP", "OTEL_EXPORTER_OTLP_TRACES", "OTEL_EXPORTER_OTLP_METRICS"):
        variables.choice(f"{name}_PROTOCOL", "http/protobuf", ("http/protobuf",))
    return OtlpSettings(
        traces,
        metrics,
        _read_sampler(variables),
        variables.integer("OTEL_BSP_MAX_QUEUE_SIZE", 2048, at_most=100_000),
        variables.integer("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, at_most=100_000),
        variables.integer("OTEL_BSP_SCHEDULE_DELAY", 5000, at_most=3_600_000) / 1000,
        variables.integer("OTEL_METRIC_EXPORT_INTERVAL", 60_000, at_most=3_600_000) / 1000,
    )


def _is_exported(variables: Variables, signal: str) -> bool:
    exporter = variables.choice(f"OTEL_{signal}_EXPORTER", "otlp", ("otlp", "none"))
    names = "OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"
    urls = [text for name in names if (text := variables.text(name))]
    if any(parse_http_url(url) is None for url in urls):
        variables.problems.append(f"{names[1]}, {names[0]}: must be http(s)://host[:port]/path")
    return exporter == "otlp" and bool(urls)


def _read_sampler(variables: Variables) -> Sampler:
    """A tenth of the traces that begin here, unless the variables say something else."""
    name = variables.choice("OTEL_TRACES_SAMPLER", "", SAMPLERS)
    kind = name.removeprefix("parentbased_") or "traceidratio"
    ratio = {"always_on": 1.0, "always_off": 0.0}.get(kind)
    if ratio is None:
        default = 1.0 if name else 0.1
        ratio = _read_ratio(variables, default)
    return Sampler(not name or name.startswith("parentbased_"), ratio)


def _read_ratio(variables: Variables, default: float) -> float:
    text = variables.text("OTEL_TRACES_SAMPLER_ARG")
    try:
        ratio = default if text is None else float(text)
    except ValueError:
        ratio = -1
    if not 0 <= ratio <= 1:
        variables.problems.append("OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1")
        return default
    return ratio


def read_metrics_settings(variables: Variables) -> MetricsSettings:
    """Read METRICS and METRICS_TOKEN_FILE."""
    served = variables.choice("METRICS", "off", (*ON, *OFF)) in ON
    token_file = variables.file("METRICS_TOKEN_FILE")
    if served:
        from importlib.util import find_spec  # most starts do without it

        if find_spec("prometheus_client") is None:
            variables.problems.append("METRICS: needs the extra metrics: pip install '.[metrics]'")
    elif token_file:
        variables.problems.append("METRICS_TOKEN_FILE: has no effect without METRICS=on")
    return MetricsSettings(served, token_file)
