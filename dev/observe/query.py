"""Asks Prometheus what a panel of Grafana asks."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx

POINTS = 180  # of a chart


class Window(NamedTuple):
    """The range of a dashboard, in seconds since 1970, and how often Prometheus scrapes."""

    start: float
    end: float
    interval: float

    @property
    def step(self) -> float:
        """The distance of two points in a chart."""
        return max(self.interval, (self.end - self.start) / POINTS)


class Series(NamedTuple):
    """The labels of a result, and its points, at least one: time and value."""

    labels: Mapping[str, str]
    points: list[tuple[float, float]]


class Prometheus:
    """Prometheus at this address."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, timeout=60)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ask(self, target: Mapping[str, Any], window: Window) -> list[Series]:
        """The result of a panel's query. Raises ValueError where Prometheus refuses it."""
        query = expand(target["expr"], window)
        if target.get("instant"):
            found = self._get("query", query=query, time=window.end)
        else:
            times = {"start": window.start, "end": window.end, "step": window.step}
            found = self._get("query_range", query=query, **times)
        series = [Series(one["metric"], _points(one)) for one in found["result"]]
        return [one for one in series if one.points]

    def _get(self, what: str, **parameters: str | float) -> Any:
        answer = self._client.get(f"/api/v1/{what}", params=parameters).json()
        if answer["status"] != "success":
            raise ValueError(f"{answer['error']}: {parameters['query']}")
        return answer["data"]


def expand(expression: str, window: Window) -> str:
    """Replace Grafana's variables."""
    values = {
        "__rate_interval": f"{max(4 * window.interval, window.step + window.interval):.0f}s",
        "__range": f"{window.end - window.start:.0f}s",
        "__interval": f"{window.step:.0f}s",
    }
    return re.sub(r"\$(\w+)", lambda found: values.get(found[1], ".*"), expression)


def _points(result: Mapping[str, Any]) -> list[tuple[float, float]]:
    """All points but those that are not a number, such as a share of nothing."""
    found = result["values"] if "values" in result else [result["value"]]
    return [(float(at), float(text)) for at, text in found if text != "NaN"]
