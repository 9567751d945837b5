"""OpenAI's chat completions, which Azure, vLLM, Ollama and llama.cpp speak too.

https://platform.openai.com/docs/api-reference/chat/create
https://platform.openai.com/docs/guides/structured-outputs
"""

from functools import cache
from typing import NotRequired, TypedDict

from pydantic_core import SchemaValidator
from pydantic_core.core_schema import CoreSchema, list_schema, nullable_schema, str_schema

from function.llm.outcome import NoAnswer, Reason, Usage
from function.llm.prompt import answer_schema, system_prompt
from function.llm.reading import open_dict, usage_schema
from function.llm.wire import MAX_TOKENS, Completion


class _Message(TypedDict):
    content: NotRequired[str | None]
    refusal: NotRequired[str | None]


class _Choice(TypedDict):
    message: _Message
    finish_reason: NotRequired[str | None]


class _Usage(TypedDict):
    prompt_tokens: int
    completion_tokens: int


class _Response(TypedDict):
    choices: list[_Choice]
    usage: _Usage


PROBLEMS = {"length": Reason.TRUNCATED, "content_filter": Reason.REFUSED}


class OpenAiFormat:
    """POST {base}/chat/completions"""

    path = "/chat/completions"

    def headers(self, key: str | None) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"} if key else {}

    def body(self, model: str, user_message: str) -> dict[str, object]:
        schema = {"name": "strategy", "strict": True, "schema": answer_schema()}
        return {
            "model": model,
            "messages": [
                {"role": "system", "content": system_prompt()},
                {"role": "user", "content": user_message},
            ],
            "response_format": {"type": "json_schema", "json_schema": schema},
            "max_completion_tokens": MAX_TOKENS,
        }

    def read(self, body: bytes) -> Completion:
        try:
            response: _Response = _validator().validate_json(body)
        except ValueError:
            raise NoAnswer(Reason.NOT_THE_API) from None
        choice = response["choices"][0]
        problem = PROBLEMS.get(choice.get("finish_reason") or "")
        if choice["message"].get("refusal"):
            problem = Reason.REFUSED
        counted = response["usage"]
        usage = Usage(counted["prompt_tokens"], counted["completion_tokens"])
        return Completion(choice["message"].get("content"), problem, usage)


@cache
def _validator() -> SchemaValidator:
    text: CoreSchema = nullable_schema(str_schema(strict=True))
    message = open_dict({}, optional={"content": text, "refusal": text})
    choice = open_dict({"message": message}, optional={"finish_reason": text})
    usage = usage_schema("prompt_tokens", "completion_tokens")
    return SchemaValidator(
        open_dict({"choices": list_schema(choice, min_length=1), "usage": usage})
    )
