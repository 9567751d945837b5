"""The charts of a report, as SVG.

The colors are those of Okabe and Ito, which people with any color vision can tell apart:
https://jfly.uni-koeln.de/color/
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot
from matplotlib.ticker import PercentFormatter

from insights.data import Group

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Theme(NamedTuple):
    """The colors of a chart; the page has the same background."""

    text: str
    grid: str
    easy: str
    ok: str
    hard: str


THEMES = {
    "light": Theme("#1f2328", "#d0d7de", "#0072b2", "#c9ced6", "#d55e00"),
    "dark": Theme("#e6edf3", "#3d444d", "#56b4e9", "#4b535d", "#e69f00"),
}
LABEL_LIMIT = 28  # characters
NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def trend(
    labels: Sequence[str], groups: Sequence[Group | None], names: Sequence[str], theme: Theme
) -> str:
    """Draw the shares of "easy", "ok" and "hard" of each period; `names` are their words."""
    places = [place for place, group in enumerate(groups) if group]
    known = [group for group in groups if group]
    with _figure(theme, 2.8) as (buffer, axes):
        below = [0.0] * len(known)
        for level, name in zip(("hard", "ok", "easy"), reversed(names), strict=True):
            shares = [getattr(group, level) / group.answers for group in known]
            color = getattr(theme, level)
            axes.bar(places, shares, 0.8, below, color=color, label=name)
            below = [low + one for low, one in zip(below, shares, strict=True)]
        axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
        axes.set_xlim(-0.6, len(labels) - 0.4)
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        legend = axes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
        for text in legend.get_texts():
            text.set_color(theme.text)
    return buffer.getvalue()


def shares(groups: Sequence[Group], theme: Theme) -> str:
    """Draw the share of "hard" of each group, the first on top, with its uncertainty."""
    values = [group.hard_share for group in groups]
    with _figure(theme, 0.7 + 0.32 * len(groups)) as (buffer, axes):
        left = [one.value - one.low for one in values]
        right = [one.high - one.value for one in values]
        axes.barh(
            range(len(groups)),
            [one.value for one in values],
            color=theme.hard,
            xerr=(left, right),
            error_kw={"ecolor": theme.text, "elinewidth": 1.2, "capsize": 3},
        )
        names = [_short(group.name) for group in groups]
        axes.set_yticks(range(len(groups)), names, parse_math=False)
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return buffer.getvalue()


@contextmanager
def _figure(theme: Theme, height: float) -> Iterator[tuple[io.StringIO, Axes]]:
    """Begin a chart of so many inches; at the end of the block the buffer has its SVG."""
    # Text stays text. Without a date and with a fixed salt the same data give the same file.
    fixed = {"svg.fonttype": "none", "svg.hashsalt": "insights", "font.size": 11}
    buffer = io.StringIO()
    with matplotlib.rc_context({**fixed, "font.family": "sans-serif", "text.color": theme.text}):
        figure, axes = pyplot.subplots(figsize=(5.6, height), layout="constrained")
        axes.tick_params(colors=theme.text, length=0)
        axes.grid(visible=False)
        for spine in axes.spines.values():
            spine.set_color(theme.grid)
        axes.spines[["top", "right"]].set_visible(False)
        yield buffer, axes
        with warnings.catch_warnings():
            # Whoever shows the SVG has other fonts.
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
        pyplot.close(figure)


def _short(name: str) -> str:
    name = NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", name)
    return name if len(name) <= LABEL_LIMIT else f"{name[: LABEL_LIMIT - 1]}…"
