"""What waits for PostgreSQL, and how several requests share one INSERT."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from function.store.connection import DatabaseError, describe, sqlstate
from function.store.table import FeedbackTable

if TYPE_CHECKING:  # connecting does not wait for pydantic's import
    from function.feedback import Entry, Stored

BATCH_LIMIT = 128  # rows a statement; more only where one job has more

# SQLSTATE classes that blame the row: data exception, integrity constraint, limit exceeded, and
# an exception that a trigger raises. Any other may pass: a restart, a lock, a full disk.
ROW_ERRORS = ("22", "23", "54", "P0")


class RowRefused(Exception):
    """PostgreSQL will never take this row: a bug, for the request was checked before."""


@dataclass(eq=False, slots=True)
class Job:
    """A request that waits for PostgreSQL: to insert all its entries, or to look for its `ids`.

    `deadline` is on the monotonic clock; the future gets the rows that are there.
    """

    ids: Collection[UUID]
    entries: Sequence[Entry]
    deadline: float
    future: asyncio.Future[Stored]


def batches(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """Split jobs into what goes in one statement each; a job is all or nothing, and never split."""
    batch: list[Job] = []
    rows = 0
    for job in jobs:
        if batch and rows + len(job.entries) > BATCH_LIMIT:
            yield batch
            batch, rows = [], 0
        batch.append(job)
        rows += len(job.entries)
    if batch:
        yield batch


def insert(table: FeedbackTable, jobs: Sequence[Job]) -> dict[Job, Stored | RowRefused]:
    """Insert together; if PostgreSQL refuses a row, job by job, so that its job fails alone."""
    first: dict[UUID, tuple[Job, Entry]] = {}
    for job in jobs:
        for entry in job.entries:
            first.setdefault(entry.id, (job, entry))
    try:
        # In the order of their ids, so that two instances can't wait for each other's rows.
        stored = table.insert([first[row_id][1] for row_id in sorted(first, key=lambda it: it.int)])
    except DatabaseError as exc:
        if not sqlstate(exc).startswith(ROW_ERRORS):
            raise
        if len(jobs) == 1:
            return {jobs[0]: RowRefused(describe(exc))}
        return {job: outcome for job in jobs for outcome in insert(table, [job]).values()}
    if conflicts := first.keys() - stored.keys():
        stored |= table.select(conflicts)
    return {
        job: {
            row_id: row if job is first[row_id][0] else row._replace(repeated=True)
            for row_id, row in found(job, stored).items()
        }
        for job in jobs
        if all(row_id in stored for row_id in job.ids)  # else one was deleted: the job waits on
    }


def found(job: Job, stored: Stored) -> Stored:
    """Return those rows that the job asks for."""
    return {row_id: stored[row_id] for row_id in job.ids if row_id in stored}
