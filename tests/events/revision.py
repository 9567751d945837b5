"""Inserts a revision, by the statement of function/reanalyze.py."""

from contextlib import closing

from function.analysis import NEUTRAL_STRATEGY
from function.domain import Concern, Difficulty
from function.store import revisions
from tests.conftest import open_connection

STRATEGY = NEUTRAL_STRATEGY._replace(
    perceived_difficulty=Difficulty.HARD, difficulty_adjustment=-0.6, concern=Concern.NONE
)
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
FIND = "SELECT id FROM feedback WHERE :known IN (message, student_id::text)"


def revise(url: str, known: str) -> None:
    """Insert a new strategy for the only feedback with this message, or of this student."""
    with closing(open_connection(url)) as connection:
        [[row_id]] = connection.run(FIND, known=known)
        assert revisions.insert(connection, row_id, STRATEGY, TRACEPARENT)
