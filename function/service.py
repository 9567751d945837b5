"""The main path without HTTP: take submissions, decide their strategies, return their rows."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Iterable, Sequence
from typing import NamedTuple
from uuid import UUID
from weakref import WeakValueDictionary

from function.analysis import Analyzer
from function.domain import Concern, Entry, Feedback, Stored, StoredEntry, Strategy
from function.errors import IdempotencyKeyReused
from function.metrics import CONCERNS, FEEDBACK
from function.store import Store
from function.tracing import context_of

log = logging.getLogger("function.safeguarding")  # function/logs.py gives it a level of its own


class Submission(NamedTuple):
    """Feedback before it has a strategy.

    `repeatable` means that a repeat of the request has the same row id, so the row may exist.
    Errors use `key_name` for the key that the id was made of. A `span_id` is part of the row's
    `traceparent` and identifies the payload; it is empty where the stored texts do that.
    """

    row_id: UUID
    feedback: Feedback
    traceparent: str
    repeatable: bool = False
    key_name: str = ""
    span_id: str = ""


class Service:
    """Analyzes and stores feedback, for the requests of one event loop."""

    def __init__(self, analyzer: Analyzer, store: Store) -> None:
        self._analyzer = analyzer
        self._store = store
        self._analyses: WeakValueDictionary[tuple[UUID, Feedback], asyncio.Task[Strategy]] = (
            WeakValueDictionary()
        )

    async def keep(self, submissions: Sequence[Submission]) -> list[StoredEntry]:
        """Store all submissions or none; return their rows in the same order.

        A row that exists is returned without another analysis. Raises IdempotencyKeyReused,
        Unavailable and RowRefused.
        """
        deadline = self._store.deadline()
        rows: Stored = {}
        if ids := [one.row_id for one in submissions if one.repeatable]:
            rows = await self._store.find(ids, deadline)
            _require_same(submissions, rows)
        started = time.monotonic()
        new = {one.row_id: one for one in submissions if one.row_id not in rows}
        analyses = [self._analyze(one) for one in new.values()]  # shared until the rows exist
        entries = [
            await _make_entry(one, analysis)
            for one, analysis in zip(new.values(), analyses, strict=True)
        ]
        deadline += time.monotonic() - started  # the analysis has a limit of its own
        try:
            rows |= await self._store.insert(entries, deadline)
        finally:
            _report_concerns(entries, rows)
        _require_same(submissions, rows)  # another request may have been faster
        kept = [rows[one.row_id] for one in submissions]
        for row in kept:
            FEEDBACK.add(1, "true" if row.repeated else "false")
        return kept

    def _analyze(self, submission: Submission) -> Awaitable[Strategy]:
        """Begin the analysis, or join that of a concurrent repeat."""
        if not submission.repeatable:
            return self._analyzer.analyze(submission.feedback)
        known = (submission.row_id, submission.feedback)
        analysis = self._analyses.get(known)
        if analysis is None:
            analysis = asyncio.create_task(
                self._analyzer.analyze(submission.feedback),
                context=context_of(submission.traceparent),
            )
            self._analyses[known] = analysis
        return analysis


async def _make_entry(submission: Submission, analysis: Awaitable[Strategy]) -> Entry:
    if submission.repeatable:
        analysis = asyncio.shield(analysis)  # repeats share it, and this client may disconnect
    strategy = await analysis
    return Entry(submission.row_id, submission.feedback, strategy, submission.traceparent)


def _report_concerns(entries: Iterable[Entry], rows: Stored) -> None:
    """Log each concern once, with its row; or that no row tells of it, for whatever reason."""
    for entry in entries:
        if not entry.strategy.concern.is_danger:
            continue
        row = rows.get(entry.id)
        stored = row is not None and _tells_of(row.entry, entry)
        if not (row and row.repeated and stored):
            report_concern(entry.strategy.concern, entry.id, stored=stored)


def report_concern(concern: Concern, row_id: UUID, *, stored: bool) -> None:
    """Log a danger, with the id of its feedback."""
    CONCERNS.add(1, concern.value, "true" if stored else "false")
    fields = {"row_id": str(row_id), "concern": concern.value}
    if stored:
        log.warning("concern stored", extra=fields)
    else:
        log.error("concern not stored", extra=fields)


def _tells_of(stored: Entry, entry: Entry) -> bool:
    same_message = stored.feedback.message == entry.feedback.message
    return same_message and stored.strategy.concern is entry.strategy.concern


def _require_same(submissions: Sequence[Submission], rows: Stored) -> None:
    """Raise IdempotencyKeyReused if an existing row has another payload."""
    for one in submissions:
        row = rows.get(one.row_id)
        if row and not _is_same(one, row.entry):
            raise IdempotencyKeyReused(f"{one.key_name} was used with another payload")


def _is_same(submission: Submission, entry: Entry) -> bool:
    feedback, stored = submission.feedback, entry.feedback
    return (
        feedback.task_id == stored.task_id
        and feedback.message == stored.message
        and submission.span_id in entry.traceparent  # an empty one is in each
    )
