"""A report as one self-contained page."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from babel.dates import format_date
from babel.numbers import format_decimal, format_percent
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from insights import charts
from insights.data import SMALLEST_GROUP, Report
from insights.periods import Period
from insights.statistics import Estimate

FOLDER = Path(__file__).parent
LANGUAGES: Mapping[str, Mapping[str, str]] = json.loads(
    (FOLDER / "languages.json").read_text(encoding="utf-8")
)
SHOWN = 10  # tasks, and topics


class Page:
    """Renders a report in a language."""

    def __init__(self, report: Report, language: str) -> None:
        self._report = report
        self._language = language
        self._text = LANGUAGES[language]
        self._number = partial(format_decimal, locale=language)
        self._percent = partial(format_percent, format="#,##0 %" if language == "de" else "#,##0%")

    def render(self, quotes: Mapping[str, Sequence[str]]) -> str:
        """Return the HTML. `quotes` are messages of students by their task."""
        report = self._report
        environment = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            keep_trailing_newline=True,
        )
        return environment.get_template("report.html").render(
            language=self._language,
            text=self._text,
            report=report,
            period=self._title(report.period),
            summary=self._summary(),
            trend=[(self._label(period), group) for period, group in report.trend],
            subjects=[
                ("tasks", report.tasks[:SHOWN], report.hidden_tasks),
                ("topics", report.topics[:SHOWN], report.hidden_topics),
            ],
            charts=self._charts(),
            number=self._number,
            percent=self._share,
            change=self._change,
            quotes=quotes,
            smallest=SMALLEST_GROUP,
        )

    def _charts(self) -> dict[str, dict[str, str]]:
        """Each chart in each theme, as the address of an image."""
        report, text = self._report, self._text
        found: dict[str, dict[str, str]] = {}
        for theme, colors in charts.THEMES.items():
            if any(group for _, group in report.trend):
                labels = [self._label(period) for period, _ in report.trend]
                groups = [group for _, group in report.trend]
                names = [text["easy"], text["ok"], text["hard"]]
                svg = charts.trend(labels, groups, names, colors)
                found.setdefault("trend", {})[theme] = _address(svg)
            for name, subjects in (("tasks", report.tasks), ("topics", report.topics)):
                if subjects:
                    svg = charts.shares(subjects[:SHOWN], colors)
                    found.setdefault(name, {})[theme] = _address(svg)
        return found

    def _summary(self) -> list[str]:
        """The most important things, in sentences."""
        report, text = self._report, self._text
        total = report.total
        if not total:
            return [text["nothing"].format(smallest=SMALLEST_GROUP), self._concerns()]
        hard = self._share(total.hard_share.value)
        sentences = [text["total"].format(answers=self._number(total.answers), share=hard)]
        if total.change:
            sentences.append(self._say(_direction(total.change), total.change))
        else:
            sentences.append(text["no_before"])
        if report.unanalyzed:
            share = self._share(report.unanalyzed / total.answers)
            count = self._number(report.unanalyzed)
            sentences.append(text["unanalyzed"].format(count=count, share=share))
        else:
            sentences.append(text["all_analyzed"])
        return [*sentences, self._concerns()]

    def _concerns(self) -> str:
        """A small number is not told, because it could tell of a student; but not left out."""
        count = self._report.concerns
        if not count:
            return self._text["no_concerns"]
        small = count < SMALLEST_GROUP
        told = self._text["few"].format(most=SMALLEST_GROUP - 1) if small else self._number(count)
        return self._text["concerns"].format(count=told)

    def _change(self, change: Estimate | None) -> str:
        if change is None:
            return "\N{EN DASH}"
        return self._say("change_unsure" if _direction(change) == "same" else "change_yes", change)

    def _say(self, sentence: str, change: Estimate) -> str:
        """Put a change into a sentence, which has the direction in words for "more" and "less"."""
        values = [change.value, change.low, change.high]
        if sentence == "less":
            values = [-change.value, -change.high, -change.low]
        signed = sentence not in ("more", "less")
        told = [self._points(value, signed=signed) for value in values]
        return self._text[sentence].format(change=told[0], low=told[1], high=told[2])

    def _points(self, value: float, *, signed: bool) -> str:
        form = "+#,##0.0;-#,##0.0" if signed else "#,##0.0"
        return str(format_decimal(value * 100, format=form, locale=self._language))

    def _share(self, value: float) -> str:
        return str(self._percent(value, locale=self._language))

    def _title(self, period: Period) -> str:
        day = partial(format_date, locale=self._language)
        return self._text[period.kind].format(
            start=day(period.start, format="long"),
            end=day(period.end, format="long"),
            month=day(period.start, format="LLLL y"),
        )

    def _label(self, period: Period) -> str:
        form = (
            "LLL y" if period.kind == "month" else "d. MMM" if self._language == "de" else "MMM d"
        )
        return str(format_date(period.start, format=form, locale=self._language))


def _direction(change: Estimate) -> str:
    if change.low > 0:
        return "more"
    return "less" if change.high < 0 else "same"


def _address(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
