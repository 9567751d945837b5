"""The domain: what a student says, the strategy made of it, and the row that keeps both."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from function.errors import InvalidRequest

MESSAGE_LIMIT = 5000  # code points

SURROGATES = re.compile("[\ud800-\udfff]")

# What a client is told of a wrong field, instead of the text of a library.
REQUIREMENTS = {
    "student_id": "must be a UUID, and not the nil UUID",
    "task_id": "must be a string of at least 1 character",
    "message": f"must be a string of 1 to {MESSAGE_LIMIT} characters",
}


class Difficulty(Enum):
    """How hard the student found the task; the values of PostgreSQL's type difficulty_level."""

    EASY = "easy"
    OK = "ok"
    HARD = "hard"


def _storable(text: object) -> object:
    """Half an emoji, cut by a client, must not cost the message: it becomes U+FFFD."""
    return SURROGATES.sub("\ufffd", text) if isinstance(text, str) else text


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("nul", "NUL")
    return text


def _lowercase(text: object) -> object:
    """A URN is the same in any case: https://www.rfc-editor.org/rfc/rfc9562#section-4"""
    return text.lower() if isinstance(text, str) else text


def _not_nil(uuid: UUID) -> UUID:
    if not uuid.int:
        raise PydanticCustomError("nil", "nil UUID")
    return uuid


Text = Annotated[
    str,
    BeforeValidator(_storable),
    AfterValidator(_without_nul),
    Field(json_schema_extra={"pattern": r"^[^\u0000]*$"}),
]


class Feedback(BaseModel):
    """What a student says about a task: the body of the request."""

    model_config = ConfigDict(frozen=True)

    student_id: Annotated[
        UUID,
        BeforeValidator(_lowercase),
        AfterValidator(_not_nil),
        Field(json_schema_extra={"not": {"const": str(UUID(int=0))}}),
    ]
    task_id: Annotated[Text, Field(min_length=1)]
    message: Annotated[Text, Field(min_length=1, max_length=MESSAGE_LIMIT)]


class StrategySnapshot(BaseModel):
    """What decided the strategy."""

    model_config = ConfigDict(frozen=True)

    difficulty_weight: float
    feedback_based: bool
    sentiment: str


@dataclass(frozen=True, slots=True)
class Strategy:
    """How teaching is to change. `difficulty_adjustment` is in [-1, 1], the weights sum to 1."""

    perceived_difficulty: Difficulty
    difficulty_adjustment: float
    topic_weights: dict[str, float]
    sentiment: str
    snapshot: StrategySnapshot


@dataclass(frozen=True, slots=True)
class Entry:
    """A row to insert. Its id is made before the insert, so that inserting twice is harmless."""

    id: UUID
    feedback: Feedback
    strategy: Strategy
    traceparent: str


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """A row that PostgreSQL has committed; `created_at` is RFC 3339 text in UTC.

    `repeated` says that the row was there before this attempt to insert it.
    """

    task_id: str
    message: str
    strategy: Strategy
    created_at: str
    repeated: bool


class StrategyUpdate(BaseModel):
    """The strategy that a student's feedback led to: the body of the answer."""

    model_config = ConfigDict(frozen=True)

    student_id: UUID
    task_id: str
    difficulty_adjustment: float
    topic_weights: dict[str, float]
    sentiment: str
    strategy_snapshot: StrategySnapshot
    timestamp: Annotated[str, Field(json_schema_extra={"format": "date-time"})]


def parse_feedback(document: object) -> Feedback:
    """Check a parsed JSON document; raises InvalidRequest, which names all wrong fields."""
    if not isinstance(document, dict):
        raise InvalidRequest("the body must be a JSON object")
    try:
        return Feedback.model_validate(document)
    except ValidationError as exc:
        problems = [_describe(error["type"], str(error["loc"][0])) for error in exc.errors()]
        raise InvalidRequest("; ".join(problems)) from None


def _describe(kind: str, field: str) -> str:
    if kind == "missing":
        return f"{field} is missing"
    if kind == "nul":
        return f"{field} must not contain a NUL character"
    return f"{field} {REQUIREMENTS[field]}"
