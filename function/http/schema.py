"""The JSON of requests and answers, and how feedback is checked.

Requests are checked by pydantic's own engine, pydantic-core, with the schema that it documents
for direct use. pydantic's layer of models above it would make up a third of a cold start. Only
dev/openapi/schemas.py uses that layer; it describes the API with the same schema.
https://docs.pydantic.dev/latest/api/pydantic_core_schema/
"""

import re
from collections.abc import Mapping
from uuid import UUID

from pydantic_core import PydanticCustomError, SchemaValidator, ValidationError, core_schema
from typing_extensions import TypedDict  # pydantic takes typing's own only from Python 3.12 on

from function.domain import Feedback, ModelSnapshot, NotAskedSnapshot, StoredEntry, StrategySnapshot
from function.errors import InvalidRequest

MESSAGE_LIMIT = 5000  # code points

# Bytes that are not UTF-8, as Python's "surrogateescape" reads them, or a lone surrogate.
BROKEN = re.compile("([\udc80-\udcff]+)|[\ud800-\udfff]")

# Shown to clients instead of the library's text.
REQUIREMENTS = {
    "student_id": "must be a UUID, and not the nil UUID",
    "task_id": "must be a string of at least 1 character",
    "message": f"must be a string of 1 to {MESSAGE_LIMIT} characters",
}


class StrategyUpdate(TypedDict):
    """The answer to feedback: the strategy it led to. `timestamp` is RFC 3339 text in UTC."""

    student_id: UUID
    task_id: str
    difficulty_adjustment: float
    topic_weights: dict[str, float]
    sentiment: str
    # Clients take the first that fits, and each of the others is a StrategySnapshot, too.
    strategy_snapshot: ModelSnapshot | NotAskedSnapshot | StrategySnapshot
    timestamp: str


def strategy_update(row: StoredEntry) -> dict[str, object]:
    """Make the answer from the row: a StrategyUpdate without the fields that have no value."""
    feedback, strategy = row.entry.feedback, row.entry.strategy
    return {
        "student_id": feedback.student_id,
        "task_id": feedback.task_id,
        "difficulty_adjustment": strategy.difficulty_adjustment,
        "topic_weights": strategy.topic_weights,
        "sentiment": strategy.sentiment,
        "strategy_snapshot": strategy.snapshot.known(),
        "timestamp": row.created_at,
    }


def _lowercase(text: object) -> object:
    """A URN is the same in any case: https://www.rfc-editor.org/rfc/rfc9562#section-4"""
    return text.lower() if isinstance(text, str) else text


def _not_nil(uuid: UUID) -> UUID:
    if not uuid.int:
        raise PydanticCustomError("nil", "nil UUID")
    return uuid


def _storable(text: object) -> object:
    """Replace what PostgreSQL can't store; a message with half an emoji is not lost."""
    if not isinstance(text, str) or text.isascii():
        return text
    return BROKEN.sub(_replacement, text)


def _replacement(broken: re.Match[str]) -> str:
    """As many U+FFFD as Unicode recommends: one for each truncated character."""
    if not broken[1]:
        return "\ufffd"
    return "\ufffd" * len(broken[1].encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("nul", "NUL")
    return text


def _text(max_length: int | None, example: str) -> core_schema.CoreSchema:
    text = core_schema.str_schema(min_length=1, max_length=max_length, strict=True)
    checked = core_schema.no_info_after_validator_function(_without_nul, text)
    described = {"pattern": r"^[^\x00]*$", "examples": [example]}
    return core_schema.no_info_before_validator_function(
        _storable, checked, metadata={"pydantic_js_updates": described}
    )


def _student_id() -> core_schema.CoreSchema:
    checked = core_schema.no_info_after_validator_function(_not_nil, core_schema.uuid_schema())
    described = {
        "not": {"const": str(UUID(int=0))},
        "examples": ["550e8400-e29b-41d4-a716-446655440000"],
    }
    return core_schema.no_info_before_validator_function(
        _lowercase, checked, metadata={"pydantic_js_updates": described}
    )


# The metadata is for dev/openapi/schemas.py.
FEEDBACK_SCHEMA = core_schema.typed_dict_schema(
    {
        "student_id": core_schema.typed_dict_field(_student_id()),
        "task_id": core_schema.typed_dict_field(_text(None, "task-123")),
        "message": core_schema.typed_dict_field(_text(MESSAGE_LIMIT, "This is too hard")),
    }
)

_validator = SchemaValidator(FEEDBACK_SCHEMA)


def parse_feedback(document: Mapping[str, object]) -> Feedback:
    """Check a JSON object; raises InvalidRequest, which names all wrong fields."""
    try:
        return Feedback(**_validator.validate_python(document))
    except ValidationError as exc:
        found = exc.errors(include_url=False)  # the URL needs an import of pydantic
        problems = [_describe(error["type"], str(error["loc"][0])) for error in found]
        raise InvalidRequest("; ".join(problems)) from None


def _describe(kind: str, field: str) -> str:
    if kind == "missing":
        return f"{field} is missing"
    if kind == "nul":
        return f"{field} must not contain a NUL character"
    return f"{field} {REQUIREMENTS[field]}"
