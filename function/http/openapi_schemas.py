"""The part of the description that tells what requests and answers look like."""

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core.core_schema import FloatSchema

from function.http.schema import FEEDBACK_SCHEMA, StrategyUpdate

Schema = dict[str, object]

REFERENCE = "#/components/schemas/{}"

# Fields may be added to answers: without this, generated clients refuse those they don't know.
OPEN: Schema = {"additionalProperties": True}

SCHEMAS: dict[str, Schema] = {
    "Error": {
        "type": "object",
        "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
        "required": ["code", "message"],
        **OPEN,
    },
    "Problem": {
        "description": "RFC 9457, for `Accept: application/problem+json`.",
        "type": "object",
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"type": "string"},
        },
        "required": ["type", "title", "status", "detail", "code"],
        **OPEN,
    },
    "Health": {
        "type": "object",
        "properties": {
            "status": {"type": "string", "enum": ["started", "ok", "ready", "not ready"]},
        },
        "required": ["status"],
        **OPEN,
    },
}


class _ForGenerators(GenerateJsonSchema):
    """Describes models as generators of clients need it.

    They take a field's title for the name of a type, and a number without a format for a float of
    32 bits.
    """

    def field_title_should_be_set(self, schema: object) -> bool:
        return False

    def float_schema(self, schema: FloatSchema) -> dict[str, object]:
        return {**super().float_schema(schema), "format": "double"}


def models() -> dict[str, Schema]:
    """Describe the models of feedback and of its answer."""
    request = _ForGenerators().generate(FEEDBACK_SCHEMA)
    response = TypeAdapter(StrategyUpdate).json_schema(
        ref_template=REFERENCE.format("{model}"),
        mode="serialization",
        schema_generator=_ForGenerators,
    )
    response["properties"]["student_id"]["format"] = "uuid"
    response["properties"]["timestamp"]["format"] = "date-time"
    answers = {**response.pop("$defs"), "StrategyUpdate": response}
    return {"Feedback": request, **{name: {**one, **OPEN} for name, one in answers.items()}}


def constant(text: str) -> Schema:
    """Describe a string that is always the same; without a type, generators take any value."""
    return {"type": "string", "const": text}


def reference(name: str) -> Schema:
    """Refer to a component."""
    return {"$ref": REFERENCE.format(name)}
