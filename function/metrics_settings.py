"""The configuration of the page for Prometheus."""

from pathlib import Path
from typing import NamedTuple

from function.variables import OFF, ON, Variables


class MetricsSettings(NamedTuple):
    """Whether /metrics is served, and the file of the token that a scrape must bring."""

    served: bool
    token_file: Path | None


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
