"""The domain: what a student says, the strategy for it, and the row that keeps both.

It imports only the standard library, and quickly: the store needs it before it connects.
"""

from dataclasses import dataclass, fields
from enum import Enum
from typing import NamedTuple
from uuid import UUID


class Difficulty(Enum):
    """How hard the student found the task; the values of PostgreSQL's type difficulty_level."""

    EASY = "easy"
    OK = "ok"
    HARD = "hard"


class Concern(Enum):
    """A danger to the student that the message tells of.

    NONE means that a model looked and found nothing; UNASSESSED means that no model looked.
    """

    UNASSESSED = "unassessed"
    NONE = "none"
    SELF_HARM = "self_harm"
    ABUSE = "abuse"
    VIOLENCE = "violence"
    BULLYING = "bullying"
    OTHER = "other"

    @property
    def is_danger(self) -> bool:
        """Whether a person must look."""
        return self is not Concern.NONE and self is not Concern.UNASSESSED


class Feedback(NamedTuple):
    """What a student says about a task."""

    student_id: UUID
    task_id: str
    message: str


@dataclass(frozen=True, slots=True)
class StrategySnapshot:
    """What decided the strategy.

    `difficulty_weight` is the factor to the difficulty of tasks: 1 + difficulty_adjustment, and
    at least 0.2. `feedback_based` is false where the model gave no answer.
    """

    difficulty_weight: float
    feedback_based: bool
    sentiment: str

    def known(self) -> dict[str, object]:
        """The fields that have a value, in order; rows of older versions lack some."""
        return {  # without fields(), which takes 2 us of each request
            "difficulty_weight": self.difficulty_weight,
            "feedback_based": self.feedback_based,
            "sentiment": self.sentiment,
        }


@dataclass(frozen=True, slots=True)
class ModelSnapshot(StrategySnapshot):
    """What decided the strategy, where a model did: its topics, the most important one first."""

    topics: list[str]
    model: str
    prompt_version: str
    kind: str | None = None
    understanding: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None

    def known(self) -> dict[str, object]:
        return _with_value(self)


@dataclass(frozen=True, slots=True)
class NotAskedSnapshot(StrategySnapshot):
    """What decided the strategy, where a limit of this instance allowed no question."""

    not_asked: str

    def known(self) -> dict[str, object]:
        return _with_value(self)


def _with_value(snapshot: StrategySnapshot) -> dict[str, object]:
    values = {field.name: getattr(snapshot, field.name) for field in fields(snapshot)}
    return {name: value for name, value in values.items() if value is not None}


class Strategy(NamedTuple):
    """How teaching is to change. `difficulty_adjustment` is in [-1, 1], the weights sum to 1."""

    perceived_difficulty: Difficulty
    difficulty_adjustment: float
    topic_weights: dict[str, float]
    sentiment: str
    snapshot: StrategySnapshot
    concern: Concern = Concern.UNASSESSED


class Entry(NamedTuple):
    """A row to insert. Its id is made before the insert, so that inserting twice is harmless."""

    id: UUID
    feedback: Feedback
    strategy: Strategy
    traceparent: str


class StoredEntry(NamedTuple):
    """A row that PostgreSQL has committed; `created_at` is RFC 3339 text in UTC.

    `repeated` is true if another request has inserted the row.
    """

    entry: Entry
    created_at: str
    repeated: bool


Stored = dict[UUID, StoredEntry]  # by the row's id
