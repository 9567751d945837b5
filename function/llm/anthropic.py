"""Anthropic's messages.

https://platform.claude.com/docs/en/api/messages
https://platform.claude.com/docs/en/build-with-claude/structured-outputs
https://platform.claude.com/docs/en/api/versioning
"""

from collections.abc import Sequence

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
    read_events,
    text_of,
)
from function.llm.wire import MAX_TOKENS, choices_of_effort, system_text
from function.llm_settings import LlmSettings

# That of the official SDK, anthropic 2, and the one before it, which older models on Bedrock need.
VERSIONS = ("2026-10-21", "2023-06-01")


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
        events = read_events(body)
        # A message, or the message and its changes in a stream.
        messages = [as_object(it.get("message") or it.get("delta") or it) for it in events]
        if not any("content" in message or "stop_reason" in message for message in messages):
            raise NoAnswer(Reason.NOT_THE_API)
        parts = [part for event in events for part in _parts(event)]
        stops = [message.get("stop_reason") for message in messages]
        return Completion(
            texts=("".join(map(_text, parts)), "".join(map(_tool_input, parts))),
            problem=next(filter(None, map(problem_of, stops)), None),
            usage=_usage([*messages, *events]),
        )


def _parts(event: Object) -> list[Object]:
    """The blocks of a message, or in a stream the start of one, or what is added to one."""
    message = as_object(event.get("message") or event)
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    parts = [*as_list(content), event.get("content_block"), event.get("delta")]
    return [as_object(part) for part in parts]


def _text(part: Object) -> str:
    return text_of(part) if str(part.get("type")).startswith("text") else ""


def _tool_input(part: Object) -> str:
    """The input of a tool that nobody offered; gateways ask for structured output in this way."""
    return text_of(part.get("input") or part.get("partial_json"))


def _usage(messages: Sequence[Object]) -> Usage:
    """Anthropic does not count cached tokens among the input tokens."""
    usage = dict(pair for message in messages for pair in as_object(message.get("usage")).items())
    cached = count(usage.get("cache_read_input_tokens"))
    written = count(usage.get("cache_creation_input_tokens"))
    return Usage(
        input_tokens=count(usage.get("input_tokens")) + cached + written,
        output_tokens=count(usage.get("output_tokens")),
        cached_tokens=cached,
        model=model_name(messages),
        finish_reason=finish_reason(*(message.get("stop_reason") for message in messages)),
    )


def _output_config(dialect: Dialect) -> dict[str, object]:
    config: dict[str, object] = {}
    if dialect.format is Format.SCHEMA:
        config["format"] = {"type": "json_schema", "schema": answer_schema()}
    if dialect.efforts[0]:
        config["effort"] = dialect.efforts[0]
    return config
