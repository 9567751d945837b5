"""What must be true of the store's answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from function.domain import Entry, Stored
from tests.simulation.database import Database

GOOD = "good"


class Violation(AssertionError):
    """The store broke a promise."""


def require(condition: object, text: str) -> None:
    if not condition:
        raise Violation(text)


class Promises:
    """Compares all answers with what was sent, and with what PostgreSQL has committed."""

    def __init__(self, database: Database) -> None:
        self.sent: dict[str, Entry] = {}
        """Each entry that was ever asked for, by its traceparent, which is unique."""
        self.acknowledged: set[UUID] = set()
        self._database = database
        self._new = Counter[str]()  # answers that say that a row is new, by traceparent

    def check(self, stored: Stored, own: Sequence[Entry]) -> None:
        """Compare an answer with what PostgreSQL has committed."""
        traces = {one.traceparent for one in own}
        for row_id, answer in stored.items():
            row = self._database.rows.get(str(row_id))
            trace = answer.entry.traceparent
            require(row, f"acknowledged, but not there: {answer.entry.feedback.message}")
            assert row
            require(row_id == answer.entry.id, "an answer has another id")
            require(row.columns["traceparent"] == trace, "an answer has another request's row")
            require(answer.entry == self.sent.get(trace), "an answer is not what was sent")
            require(answer.created_at == row.created_at, "an answer has another time")
            mine = trace in traces
            require(answer.repeated is not mine, "a row is wrongly called new, or repeated")
            require(row.replicated or not mine, "acknowledged, but the standby lacks it")
            if mine:
                self._new[trace] += 1
                require(self._new[trace] == 1, "two answers say that the row is new")
            self.acknowledged.add(row_id)


def check_refusal(entries: Sequence[Entry], text: str) -> None:
    """Require that one of the rows is why."""
    odd = [one.feedback.message.split() for one in entries if not is_good(one)]
    reasons = [words[1] for words in odd if words[0] in {"refuse", "defer"}]
    if any(words[0] == "vanish" for words in odd):
        reasons.append("does not show")
    require(any(reason in text for reason in reasons), f"a good row was refused: {text}")


def is_good(entry: Entry) -> bool:
    return entry.feedback.message.startswith(GOOD)


def names(entries: Sequence[Entry]) -> str:
    shown = ", ".join(f"{one.feedback.message} ({one.traceparent})" for one in entries[:3])
    return shown if len(entries) <= 3 else f"{shown} and {len(entries) - 3} more"
