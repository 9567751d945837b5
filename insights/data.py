"""What a report says, read from the views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from function.store.driver import Connection
from insights.periods import Period
from insights.statistics import Estimate, difference, share

SMALLEST_GROUP = 5  # different students, on the day with most of them
ISO = "YYYY-MM-DD"  # whatever DateStyle the server has
HISTORY = 12  # periods in the trend
MOODS = ("positive", "neutral", "negative", "frustrated", "confused", "bored", "anxious")
CONCERNS = (
    *("concern_self_harm", "concern_abuse", "concern_violence", "concern_bullying"),
    "concern_other",
)
COLUMNS = (
    *("kind", "name", "answers", "students", "easy", "ok", "hard", "unread"),
    *(*MOODS, *CONCERNS),
)


@dataclass(frozen=True)
class Group:
    """The answers about a task or a topic, or all, in a period."""

    name: str
    answers: int
    easy: int
    ok: int
    hard: int
    hard_share: Estimate
    change: Estimate | None
    """Of hard_share against the period before; None where that has no group, or a small one."""


@dataclass(frozen=True)
class Report:
    """All that a report says."""

    period: Period
    time_zone: str
    trend: list[tuple[Period, Group | None]]
    total: Group | None
    tasks: list[Group]
    topics: list[Group]
    hidden_tasks: int
    hidden_topics: int
    moods: Mapping[str, int]
    concerns: int
    unanalyzed: int


def read(connection: Connection, period: Period) -> Report:
    """Read a report. A connection as a member of mentor_reader suffices."""
    trend_periods = [period.before(count) for count in reversed(range(HISTORY))]
    rows = _read_rows(connection, trend_periods[0], period)
    now = [row for row in rows if row["start"] == period.start]
    earlier = [row for row in rows if row["start"] == period.before().start]
    tasks, hidden_tasks = _groups(now, earlier, "task")
    topics, hidden_topics = _groups(now, earlier, "topic")
    totals = {row["start"]: row for row in rows if row["kind"] == "all"}
    row = totals.get(period.start, {})
    total = _of_all(totals, period)
    [[time_zone]] = connection.run("SELECT insights.time_zone()")
    return Report(
        period=period,
        time_zone=time_zone,
        trend=[(one, _of_all(totals, one)) for one in trend_periods],
        total=total,
        tasks=tasks,
        topics=topics,
        hidden_tasks=hidden_tasks,
        hidden_topics=hidden_topics,
        moods={mood: row[mood] for mood in MOODS} if total else {},
        concerns=sum(row.get(concern, 0) for concern in CONCERNS),
        unanalyzed=row["unread"] if total else 0,
    )


def _read_rows(connection: Connection, first: Period, last: Period) -> list[dict[str, Any]]:
    """All subjects of the last two periods, and the totals of all."""
    view, column = f"insights.{last.kind}ly", last.kind
    found = connection.run(
        f"SELECT to_char({column}, '{ISO}') AS start, {', '.join(COLUMNS)} FROM {view}"
        f" WHERE {column} BETWEEN :first AND :last"
        f" AND (kind = 'all' OR {column} >= :previous)",
        first=first.start,
        last=last.start,
        previous=last.before().start,
    )
    names = [column["name"] for column in connection.columns or []]
    rows = [dict(zip(names, row, strict=True)) for row in found or []]
    return [{**row, "start": date.fromisoformat(row["start"])} for row in rows]


def _groups(
    now: Sequence[Mapping[str, Any]], earlier: Sequence[Mapping[str, Any]], kind: str
) -> tuple[list[Group], int]:
    """The groups, the hardest first, and how many are hidden."""
    rows, hidden = _visible(now, kind)
    before, _ = _visible(earlier, kind)  # a change tells of the period before as well
    known = {row["name"]: row for row in before}
    groups = [group for row in rows if (group := _group(row, known.get(row["name"])))]
    hardest = sorted(groups, key=lambda it: (-it.hard_share.low, it.name))
    return hardest, hidden


def _visible(rows: Sequence[Mapping[str, Any]], kind: str) -> tuple[list[Mapping[str, Any]], int]:
    """The rows that may be shown, and how many are hidden.

    Beside the small groups, the next larger one is hidden: whoever subtracts the others from the
    total must be left with enough students, and the same few may be in all of the small ones. What
    is in no group, such as the answers of an erased student, is a small group, too.
    """
    sizes = sorted(
        (row for row in rows if row["kind"] == kind),
        key=lambda row: (row["students"] or 0, row["name"]),
    )
    small = sum((row["students"] or 0) < SMALLEST_GROUP for row in sizes)
    total = sum(row["answers"] for row in rows if row["kind"] == "all")
    is_whole = not small and sum(row["answers"] for row in sizes) >= total
    hidden = 0 if is_whole else min(small + 1, len(sizes))
    return sizes[hidden:], hidden


def _of_all(totals: Mapping[date, Mapping[str, Any]], period: Period) -> Group | None:
    row = totals.get(period.start)
    return _group(row, totals.get(period.before().start)) if row else None


def _group(row: Mapping[str, Any], before: Mapping[str, Any] | None) -> Group | None:
    if (row["students"] or 0) < SMALLEST_GROUP:
        return None
    hard_share = share(row["hard"], row["answers"])
    change = None
    if before and (before["students"] or 0) >= SMALLEST_GROUP:
        change = difference(hard_share, share(before["hard"], before["answers"]))
    return Group(
        name=row["name"],
        answers=row["answers"],
        easy=row["easy"],
        ok=row["ok"],
        hard=row["hard"],
        hard_share=hard_share,
        change=change,
    )
