"""Anthropic's messages.

https://platform.claude.com/docs/en/api/messages
https://platform.claude.com/docs/en/build-with-claude/structured-outputs
"""

from functools import cache
from typing import NotRequired, TypedDict

from pydantic_core import SchemaValidator
from pydantic_core.core_schema import list_schema, nullable_schema, str_schema

from function.llm.outcome import NoAnswer, Reason, Usage
from function.llm.prompt import answer_schema, system_prompt
from function.llm.reading import open_dict, usage_schema
from function.llm.wire import MAX_TOKENS, Completion


class _Block(TypedDict):
    type: str
    text: NotRequired[str]


class _Usage(TypedDict):
    input_tokens: int
    output_tokens: int


class _Response(TypedDict):
    content: list[_Block]
    stop_reason: NotRequired[str | None]
    usage: _Usage


PROBLEMS = {
    "max_tokens": Reason.TRUNCATED,
    "model_context_window_exceeded": Reason.TRUNCATED,
    "refusal": Reason.REFUSED,
}


class AnthropicFormat:
    """POST {base}/v1/messages"""

    path = "/v1/messages"

    def headers(self, key: str | None) -> dict[str, str]:
        version = {"anthropic-version": "2023-06-01"}
        return {**version, "x-api-key": key} if key else version

    def body(self, model: str, user_message: str) -> dict[str, object]:
        return {
            "model": model,
            "max_tokens": MAX_TOKENS,
            "system": system_prompt(),
            "messages": [{"role": "user", "content": user_message}],
            "output_config": {"format": {"type": "json_schema", "schema": answer_schema()}},
        }

    def read(self, body: bytes) -> Completion:
        try:
            response: _Response = _validator().validate_json(body)
        except ValueError:
            raise NoAnswer(Reason.NOT_THE_API) from None
        texts = [block.get("text", "") for block in response["content"] if block["type"] == "text"]
        problem = PROBLEMS.get(response.get("stop_reason") or "")
        counted = response["usage"]
        usage = Usage(counted["input_tokens"], counted["output_tokens"])
        return Completion("".join(texts) if texts else None, problem, usage)


@cache
def _validator() -> SchemaValidator:
    block = open_dict({"type": str_schema()}, optional={"text": str_schema(strict=True)})
    return SchemaValidator(
        open_dict(
            {
                "content": list_schema(block),
                "usage": usage_schema("input_tokens", "output_tokens"),
            },
            optional={"stop_reason": nullable_schema(str_schema())},
        )
    )
