"""Anthropic's messages.

https://platform.claude.com/docs/en/api/messages
https://platform.claude.com/docs/en/build-with-claude/structured-outputs
https://platform.claude.com/docs/en/api/versioning
"""

from typing import Annotated

from pydantic import BaseModel, StrictStr

from function.llm.dialect import Dialect, Format
from function.llm.outcome import NoAnswer, Reason, Usage
from function.llm.prompt import answer_schema
from function.llm.wire import (
    MAX_TOKENS,
    Completion,
    Count,
    OrEmpty,
    choices_of_effort,
    system_text,
)
from function.llm_settings import LlmSettings


class _Block(BaseModel):
    type: str
    text: StrictStr = ""


class _Usage(BaseModel):
    input_tokens: Count = 0
    output_tokens: Count = 0


class _Response(BaseModel):
    content: list[_Block]
    stop_reason: str | None = None
    usage: Annotated[_Usage, OrEmpty] = _Usage()


# That of the official SDK, anthropic 2, and the one before it, which older models on Bedrock need.
VERSIONS = ("2026-10-21", "2023-06-01")
PROBLEMS = {
    "max_tokens": Reason.TRUNCATED,
    "model_context_window_exceeded": Reason.TRUNCATED,
    "refusal": Reason.REFUSED,
}


class AnthropicFormat:
    """POST {base}/v1/messages"""

    def dialect(self, settings: LlmSettings) -> Dialect:
        # The newest version has no temperature, but other servers ignore the version.
        own = settings.endpoint.is_the_providers_own
        return Dialect(
            paths=("/v1/messages",),
            versions=VERSIONS,
            temperatures=(None,) if own else (0, None),
            efforts=choices_of_effort(settings),
        )

    def headers(self, settings: LlmSettings, key: str | None, dialect: Dialect) -> dict[str, str]:
        headers = {"anthropic-version": dialect.versions[0]}
        if key:
            headers["Authorization"] = f"Bearer {key}"  # as the official SDK does since version 2
            if not settings.endpoint.is_the_providers_own:
                headers["x-api-key"] = key  # other servers may know the older form only
        return headers

    def body(self, model: str, user_message: str, dialect: Dialect) -> dict[str, object]:
        optional = {
            "temperature": dialect.temperatures[0],
            "output_config": _output_config(dialect) or None,
        }
        return {
            "model": model,
            "max_tokens": MAX_TOKENS,
            "system": system_text(dialect),
            "messages": [{"role": "user", "content": user_message}],
            **{name: value for name, value in optional.items() if value is not None},
        }

    def read(self, body: bytes) -> Completion:
        try:
            response = _Response.model_validate_json(body)
        except ValueError:
            raise NoAnswer(Reason.NOT_THE_API) from None
        texts = [block.text for block in response.content if block.type == "text"]
        problem = PROBLEMS.get(response.stop_reason or "")
        usage = Usage(response.usage.input_tokens, response.usage.output_tokens)
        return Completion("".join(texts) if texts else None, problem, usage)


def _output_config(dialect: Dialect) -> dict[str, object]:
    config: dict[str, object] = {}
    if dialect.format is Format.SCHEMA:
        config["format"] = {"type": "json_schema", "schema": answer_schema()}
    if dialect.efforts[0]:
        config["effort"] = dialect.efforts[0]
    return config
