"""OpenAI's chat completions, which Azure, vLLM, Ollama and llama.cpp speak too.

https://platform.openai.com/docs/api-reference/chat/create
https://platform.openai.com/docs/guides/structured-outputs
"""

from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import BaseModel, Field, StrictStr

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


class _Message(BaseModel):
    content: StrictStr | None = None
    refusal: StrictStr | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: StrictStr | None = None


class _Usage(BaseModel):
    prompt_tokens: Count = 0
    completion_tokens: Count = 0


class _Response(BaseModel):
    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: Annotated[_Usage, OrEmpty] = _Usage()


def _schema() -> dict[str, object]:
    schema = {"name": "strategy", "strict": True, "schema": answer_schema()}
    return {"type": "json_schema", "json_schema": schema}


FORMATS: Mapping[Format, Callable[[], dict[str, object] | None]] = {
    Format.SCHEMA: _schema,
    Format.OBJECT: lambda: {"type": "json_object"},
}
PROBLEMS = {"length": Reason.TRUNCATED, "content_filter": Reason.REFUSED}


class OpenAiFormat:
    """POST {base}/chat/completions"""

    def dialect(self, settings: LlmSettings) -> Dialect:
        endpoint = settings.endpoint
        limits = ("max_tokens", "max_completion_tokens")
        # OpenAI and Azure refuse the older name. Ollama ignores the newer one, which no error
        # tells, and its models may then write for minutes.
        if endpoint.is_the_providers_own or endpoint.is_azure:
            limits = ("max_completion_tokens", "max_tokens")
        path = f"/chat/completions{endpoint.query}"
        return Dialect(
            # A server without a path mostly has the API at /v1, a few have it at /.
            paths=(path,) if endpoint.path else (f"/v1{path}", path),
            limits=limits,
            formats=(Format.SCHEMA, Format.OBJECT, Format.WORDS),
            efforts=choices_of_effort(settings),
        )

    def headers(self, settings: LlmSettings, key: str | None, dialect: Dialect) -> dict[str, str]:
        if key is None:
            return {}
        azure = settings.endpoint.is_azure
        return {"api-key": key} if azure else {"Authorization": f"Bearer {key}"}

    def body(self, model: str, user_message: str, dialect: Dialect) -> dict[str, object]:
        optional = {
            "temperature": dialect.temperatures[0],
            "reasoning_effort": dialect.efforts[0],
            "response_format": FORMATS.get(dialect.format, lambda: None)(),
        }
        return {
            "model": model,
            "messages": [
                {"role": "system", "content": system_text(dialect)},
                {"role": "user", "content": user_message},
            ],
            dialect.limits[0]: MAX_TOKENS,
            **{name: value for name, value in optional.items() if value is not None},
        }

    def read(self, body: bytes) -> Completion:
        try:
            response = _Response.model_validate_json(body)
        except ValueError:
            raise NoAnswer(Reason.NOT_THE_API) from None
        choice = response.choices[0]
        problem = PROBLEMS.get(choice.finish_reason or "")
        if choice.message.refusal:
            problem = Reason.REFUSED
        usage = Usage(response.usage.prompt_tokens, response.usage.completion_tokens)
        return Completion(choice.message.content, problem, usage)
