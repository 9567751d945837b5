"""Shows a dashboard of Grafana without Grafana: the results of its queries, drawn by Plotly.

It knows what deploy/observe/dashboards use of Grafana's format.
"""

import html
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import plotly.graph_objects as go

from dev.observe.query import Prometheus, Series, Window

Panel = Mapping[str, Any]
Results = Sequence[tuple[Panel, list[Series]]]  # by a panel's targets

COLUMNS, ROW = 24, 32  # of Grafana's grid; pixels
SUFFIXES = {"s": "s", "reqps": "/s", "ops": "/s", "bytes": "B", "decbytes": "B"}
COLORS = {"text": "#24292f", "green": "#2da44e", "orange": "#bf6a02", "red": "#cf222e"}
PAGE = """<!doctype html><meta charset="utf-8"><title>{title}</title>
<script src="/plotly.min.js"></script>
<style>
body {{ font: 13px system-ui, sans-serif; margin: 8px 16px; background: #f6f8fa; color: #24292f }}
h1 {{ font-size: 18px; margin: 4px }}
main {{ display: grid; grid-template-columns: repeat({columns}, 1fr); grid-auto-rows: {row}px;
  gap: 5px }}
section {{ background: #fff; border: 1px solid #d8dee4; border-radius: 4px; padding: 4px 8px;
  overflow: hidden; min-width: 0 }}
h2 {{ font-size: 15px; margin: 0 4px; align-self: end }}
h3 {{ font-size: 12px; margin: 2px 0; font-weight: 600 }}
b {{ font-size: 30px; font-weight: 500; display: block; text-align: center; margin-top: 18px }}
td, th {{ padding: 2px 16px 2px 0; text-align: left }}
</style>
<h1>{title}</h1><main>{panels}</main>"""


class Frame(NamedTuple):
    """The height of a chart in pixels, and the range of its times."""

    height: int
    window: Window


def render(dashboard: Mapping[str, Any], prometheus: Prometheus, window: Window) -> str:
    """The page of a dashboard. Raises ValueError where Prometheus refuses a query."""
    panels = "".join(_cell(one, prometheus, window) for one in dashboard["panels"])
    title = html.escape(dashboard["title"])
    return PAGE.format(title=title, panels=panels, columns=COLUMNS, row=ROW)


def _cell(panel: Panel, prometheus: Prometheus, window: Window) -> str:
    at = panel["gridPos"]
    place = f"grid-area: {at['y'] + 1} / {at['x'] + 1} / span {at['h']} / span {at['w']}"
    title = html.escape(panel["title"])
    if panel["type"] == "row":
        return f'<h2 style="{place}">{title}</h2>'
    results = [(target, prometheus.ask(target, window)) for target in panel["targets"]]
    frame = Frame(at["h"] * (ROW + 5) - 40, window)
    inside = (
        _DRAWERS[panel["type"]](panel, results, frame) if any(r for _, r in results) else "no data"
    )
    return f'<section style="{place}"><h3>{title}</h3>{inside}</section>'


def _stat(panel: Panel, results: Results, _frame: Frame) -> str:
    value = results[0][1][0].points[-1][1]
    defaults = panel["fieldConfig"]["defaults"]
    steps = defaults.get("thresholds", {}).get("steps", [])
    reached = [one["color"] for one in steps if one["value"] is None or value >= one["value"]]
    color = COLORS.get(reached[-1] if reached else "text", COLORS["text"])
    names = {
        key: one["text"]
        for it in defaults.get("mappings", ())
        for key, one in it["options"].items()
    }
    text = names.get(f"{value:g}") or _written(value, defaults)
    return f'<b style="color: {color}">{text}</b>'


def _written(value: float, defaults: Mapping[str, Any]) -> str:
    unit = defaults.get("unit", "short")
    if unit == "percentunit":
        return f"{value:.2%}"
    digits = defaults.get("decimals", 1)
    if unit == "s" and 0 < abs(value) < 1:
        return f"{value * 1000:.{digits}f} ms"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.{digits}f} {letter}{SUFFIXES.get(unit, '')}"
    return f"{value:.{0 if value == int(value) else digits}f} {SUFFIXES.get(unit, '')}"


def _table(panel: Panel, results: Results, _frame: Frame) -> str:
    found = results[0][1]
    names = [*found[0].labels]
    rows = [[*names, "number"]] + [
        [*(one.labels.get(name, "") for name in names), f"{one.points[-1][1]:g}"] for one in found
    ]
    lines = ("".join(f"<td>{html.escape(text)}</td>" for text in row) for row in rows)
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _chart(panel: Panel, results: Results, frame: Frame) -> str:
    custom = panel["fieldConfig"]["defaults"].get("custom", {})
    named = [(_legend(target, one), one) for target, found in results for one in found]
    figure = go.Figure()
    for name, one in sorted(named, key=lambda pair: pair[0]):
        times = [datetime.fromtimestamp(at, UTC) for at, _ in one.points]
        values = [value for _, value in one.points]
        if custom.get("drawStyle") == "bars":
            figure.add_bar(x=times, y=values, name=name)
        else:
            stacked = {"stackgroup": "all"} if "stacking" in custom else {}
            figure.add_scatter(
                x=times, y=values, name=name, line_width=1.3, mode="lines", **stacked
            )
    figure.update_layout(barmode="stack", bargap=0, showlegend=len(named) > 1 or named[0][0] != "")
    return _drawn(figure, frame, panel["fieldConfig"]["defaults"])


def _heatmap(panel: Panel, results: Results, frame: Frame) -> str:
    """Prometheus' buckets are cumulative, so each loses the one below it."""
    buckets = sorted(results[0][1], key=lambda one: float(one.labels["le"]))
    times = sorted({at for one in buckets for at, _ in one.points})
    below = dict.fromkeys(times, 0.0)
    rows = []
    for one in buckets:
        values = dict(one.points)
        rows.append([values.get(at, 0) - below[at] for at in times])
        below = {at: values.get(at, 0) for at in times}
    figure = go.Figure(
        go.Heatmap(
            x=[datetime.fromtimestamp(at, UTC) for at in times],
            y=[one.labels["le"] for one in buckets],
            z=[[value or None for value in row] for row in rows],
            colorscale="Oranges",
            showscale=False,
        )
    )
    figure.update_yaxes(type="category")
    return _drawn(figure, frame, {})


def _drawn(figure: go.Figure, frame: Frame, defaults: Mapping[str, Any]) -> str:
    figure.update_layout(
        height=frame.height,
        margin={"l": 48, "r": 8, "t": 4, "b": 20},
        legend={"orientation": "h", "y": -0.12, "yanchor": "top", "font_size": 10},
        font_size=10,
        template="plotly_white",
        hovermode="x",
    )
    times = [datetime.fromtimestamp(at, UTC) for at in (frame.window.start, frame.window.end)]
    figure.update_xaxes(tickformat="%H:%M", nticks=6, range=times)
    unit = defaults.get("unit")
    if unit == "percentunit":
        figure.update_yaxes(tickformat="~%", rangemode="tozero")
    elif unit:
        form = "~g" if defaults.get("decimals") == 0 else "~s"
        figure.update_yaxes(tickformat=form, ticksuffix=SUFFIXES.get(unit, ""), rangemode="tozero")
    options = {"displayModeBar": False, "responsive": True}
    return str(figure.to_html(full_html=False, include_plotlyjs=False, config=options))


def _legend(target: Mapping[str, Any], one: Series) -> str:
    pattern = target.get("legendFormat", "__auto")
    if pattern == "__auto":
        return ", ".join(f"{name}={value}" for name, value in one.labels.items())
    return re.sub(r"{{\s*(\w+)\s*}}", lambda found: one.labels.get(found[1], ""), pattern).strip()


_DRAWERS = {"stat": _stat, "table": _table, "timeseries": _chart, "heatmap": _heatmap}
