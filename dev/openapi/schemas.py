"""The part of the description that tells what requests and answers look like."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core.core_schema import FloatSchema, NullableSchema, WithDefaultSchema

from function.http.schema import FEEDBACK_SCHEMA, StrategyUpdate

Schema = dict[str, Any]

REFERENCE = "#/components/schemas/{}"

# Fields may be added to answers: without this, generated clients refuse those they don't know.
OPEN: Schema = {"additionalProperties": True}


class Error(BaseModel):
    """What went wrong: the code is for programs, the message for people."""

    code: str
    message: str


class Problem(BaseModel):
    """RFC 9457, for `Accept: application/problem+json`."""

    type: Annotated[str, Field(json_schema_extra={"format": "uri-reference"})]
    title: str
    status: int
    detail: str
    code: str


class Health(BaseModel):
    """The answer to a probe."""

    status: Literal["started", "ok", "ready", "not ready"]


class _ForGenerators(GenerateJsonSchema):
    """Describes models as generators of clients need it.

    They take a field's title for the name of a type, and a number without a format for a float of
    32 bits. A field that may be None is left out of an answer then, so it is never null.
    """

    def field_title_should_be_set(self, schema: object) -> bool:
        return False

    def float_schema(self, schema: FloatSchema) -> dict[str, object]:
        return {**super().float_schema(schema), "format": "double"}

    def nullable_schema(self, schema: NullableSchema) -> dict[str, object]:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: WithDefaultSchema) -> dict[str, object]:
        return self.generate_inner(schema["schema"])


def models() -> dict[str, Schema]:
    """Describe feedback and all answers."""
    answers = (Error, Problem, Health, StrategyUpdate)
    _, described = TypeAdapter.json_schemas(
        [(answer, "serialization", TypeAdapter(answer)) for answer in answers],
        ref_template=REFERENCE.format("{model}"),
        schema_generator=_ForGenerators,
    )
    components: dict[str, Schema] = described["$defs"]
    update = components["StrategyUpdate"]["properties"]
    update["timestamp"]["format"] = "date-time"
    opened = {name: {**schema, **OPEN} for name, schema in components.items()}
    return {"Feedback": _ForGenerators().generate(FEEDBACK_SCHEMA), **opened}


def constant(text: str) -> Schema:
    """Describe a string that is always the same; without a type, generators take any value."""
    return {"type": "string", "const": text}


def reference(name: str) -> Schema:
    """Refer to a component."""
    return {"$ref": REFERENCE.format(name)}
