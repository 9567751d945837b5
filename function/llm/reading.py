"""How responses of providers are read: what is used is checked, all else is left alone."""

from collections.abc import Mapping

from pydantic_core.core_schema import (
    CoreSchema,
    int_schema,
    typed_dict_field,
    typed_dict_schema,
    with_default_schema,
)


def open_dict(
    required: Mapping[str, CoreSchema], optional: Mapping[str, CoreSchema] | None = None
) -> CoreSchema:
    """An object that may have other keys, too; they are dropped."""
    fields = {name: typed_dict_field(schema) for name, schema in required.items()}
    for name, schema in (optional or {}).items():
        fields[name] = typed_dict_field(schema, required=False)
    return typed_dict_schema(fields)


def usage_schema(input_tokens: str, output_tokens: str) -> CoreSchema:
    """The counted tokens, under these names; what is missing or wrong counts as 0."""
    count = with_default_schema(int_schema(ge=0, le=10**9), default=0, on_error="default")
    counts = open_dict({input_tokens: count, output_tokens: count})
    return with_default_schema(
        counts, default={input_tokens: 0, output_tokens: 0}, on_error="default"
    )
