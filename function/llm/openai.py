"""OpenAI's chat completions, which Azure, vLLM, Ollama and llama.cpp speak too.

https://platform.openai.com/docs/api-reference/chat/create
https://platform.openai.com/docs/guides/structured-outputs
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from function.llm.concerns import filtered_concern, named_concern
from function.llm.dialect import Dialect, Format
from function.llm.outcome import NoAnswer, Reason, Usage
from function.llm.prompt import answer_schema
from function.llm.response import (
    Completion,
    Object,
    as_list,
    as_object,
    count,
    finish_reason,
    model_name,
    problem_of,
    provider_error,
    read_events,
    text_of,
)
from function.llm.wire import MAX_TOKENS, choices_of_effort, system_text
from function.llm_settings import LlmSettings


def _schema() -> dict[str, object]:
    schema = {"name": "strategy", "strict": True, "schema": answer_schema()}
    return {"type": "json_schema", "json_schema": schema}


FORMATS: Mapping[Format, Callable[[], dict[str, object] | None]] = {
    Format.SCHEMA: _schema,
    Format.OBJECT: lambda: {"type": "json_object"},
}


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
        events = read_events(body)
        if not any("choices" in event for event in events):
            raise NoAnswer(Reason.NOT_THE_API)
        choices = [as_object(one) for event in events for one in as_list(event.get("choices"))[:1]]
        if not choices or any(choice.get("error") for choice in choices):
            raise provider_error(*events)  # of the provider behind a gateway
        messages = [as_object(one.get("message") or one.get("delta")) for one in choices]
        refusal = "".join(map(_refusal, messages))
        stops = (problem_of(choice.get("finish_reason")) for choice in choices)
        return Completion(
            texts=_texts(messages),
            problem=Reason.REFUSED if refusal else next(filter(None, stops), None),
            usage=_usage(events, choices),
            concern=named_concern(refusal) or filtered_concern(events),
        )


def _texts(messages: Sequence[Object]) -> tuple[str, ...]:
    """Where the answer may be: in the content, for a tool that nobody offered, or in a thought.

    Some servers take the whole answer for a thought, and leave the content empty.
    """
    return (
        "".join(text_of(message.get("content")) for message in messages),
        "".join(text_of(call.get("arguments")) for call in _calls(messages)),
        "".join(text_of(message.get("reasoning_content")) for message in messages),
        "".join(text_of(message.get("reasoning")) for message in messages),
    )


def _calls(messages: Sequence[Object]) -> Iterator[Object]:
    for message in messages:
        yield as_object(message.get("function_call"))
        for call in as_list(message.get("tool_calls")):
            yield as_object(as_object(call).get("function"))


def _refusal(message: Object) -> str:
    parts = [message, *map(as_object, as_list(message.get("content")))]
    return "".join(text_of(part.get("refusal")) for part in parts)


def _usage(events: Sequence[Object], choices: Sequence[Object]) -> Usage:
    """The last count of a stream is that of all of it."""
    usage = next((one for event in reversed(events) if (one := as_object(event.get("usage")))), {})
    return Usage(
        input_tokens=count(usage.get("prompt_tokens")),
        output_tokens=count(usage.get("completion_tokens")),
        cached_tokens=count(as_object(usage.get("prompt_tokens_details")).get("cached_tokens")),
        reasoning_tokens=count(
            as_object(usage.get("completion_tokens_details")).get("reasoning_tokens")
        ),
        model=model_name(events),
        finish_reason=finish_reason(*(choice.get("finish_reason") for choice in choices)),
    )
