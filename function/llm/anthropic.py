"""Anthropic's messages.

https://platform.claude.com/docs/en/api/messages
https://platform.claude.com/docs/en/build-with-claude/structured-outputs
"""

from typing import Annotated

from pydantic import BaseModel, StrictStr

from function.llm.outcome import NoAnswer, Reason, Usage
from function.llm.prompt import answer_schema, system_prompt
from function.llm.wire import MAX_TOKENS, Completion, Count, OrEmpty


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
            response = _Response.model_validate_json(body)
        except ValueError:
            raise NoAnswer(Reason.NOT_THE_API) from None
        texts = [block.text for block in response.content if block.type == "text"]
        problem = PROBLEMS.get(response.stop_reason or "")
        usage = Usage(response.usage.input_tokens, response.usage.output_tokens)
        return Completion("".join(texts) if texts else None, problem, usage)
