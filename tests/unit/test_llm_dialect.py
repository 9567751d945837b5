"""What a server refuses is not sent again. The errors are those of public reports."""

import json

import pytest

from function.llm.dialect import Dialect, Format, learn
from function.llm.rejection import Rejection

OPENAI = Dialect(
    paths=("/v1/chat/completions", "/chat/completions"),
    limits=("max_completion_tokens", "max_tokens"),
    formats=tuple(Format),
    efforts=("low", None),
)
ANTHROPIC = Dialect(
    paths=("/v1/messages",), versions=("2026-10-21", "2023-06-01"), efforts=("low", None)
)

MISTRAL = {
    "object": "error",
    "message": {
        "detail": [
            {
                "type": "extra_forbidden",
                "loc": ["body", "max_completion_tokens"],
                "msg": "Extra inputs are not permitted",
                "input": 2048,
            }
        ]
    },
    "type": "invalid_request_error",
    "param": None,
    "code": None,
}
GEMINI = [
    {
        "error": {
            "code": 400,
            "message": 'Unknown name "max_completion_tokens": Cannot find field.',
            "status": "INVALID_ARGUMENT",
        }
    }
]


def error(message: str, param: str | None = None, kind: str = "invalid_request_error") -> object:
    return {"error": {"message": message, "type": kind, "param": param, "code": None}}


def learned(dialect: Dialect, body: object, status: int = 400) -> Dialect | None:
    return learn(dialect, Rejection(status, {}, json.dumps(body).encode()))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (MISTRAL, 422),  # editor-code-assistant/eca#231
        (GEMINI, 400),
        (error("Unrecognized request argument supplied: max_completion_tokens"), 400),  # Azure
        (error("litellm.UnsupportedParamsError: ['max_completion_tokens'], to drop these"), 400),
    ],
)
def test_the_other_name_of_the_limit(body: object, status: int) -> None:
    dialect = learned(OPENAI, body, status)
    assert dialect
    assert dialect.limits == ("max_tokens",)
    assert (dialect.formats, dialect.temperatures) == (OPENAI.formats, OPENAI.temperatures)


def test_a_text_that_names_both_limits_means_the_one_that_was_sent() -> None:
    text = "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    older = Dialect(("/",), limits=("max_tokens", "max_completion_tokens"))
    dialect = learned(older, error(text, "max_tokens"))
    assert dialect
    assert dialect.limits == ("max_completion_tokens",)
    assert learned(dialect, error(text)) is None


@pytest.mark.parametrize(
    "body",
    [
        error("This response_format type is unavailable now"),  # DeepSeek
        error("Invalid parameter: 'response_format' of type 'json_schema' is not supported"),
        error("Invalid schema for response_format 'strategy'", "response_format"),
        error("JSON schema conversion failed: Unrecognized schema"),  # llama.cpp
        {"error": "'response_format.type' must be 'json_schema' or 'text'"},  # LM Studio
    ],
)
def test_the_schema_goes_into_the_prompt_in_two_steps(body: object) -> None:
    first = learned(OPENAI, body)
    assert first
    assert first.format is Format.OBJECT
    second = learned(first, body)
    assert second
    assert second.format is Format.WORDS
    assert learned(second, body) is None


@pytest.mark.parametrize(
    "body",
    [
        error("Only the default (1) value is supported.", "temperature"),
        error("`temperature` is deprecated for this model."),
        {"type": "error", "error": {"message": "temperature: Extra inputs are not permitted"}},
    ],
)
def test_no_temperature(body: object) -> None:
    for dialect in (OPENAI, ANTHROPIC):
        other = learned(dialect, body)
        assert other
        assert other.temperatures == (None,)
        assert other.format is Format.SCHEMA
        assert learned(other, body) is None


@pytest.mark.parametrize(
    "text",
    [
        "Unrecognized request argument supplied: reasoning_effort",
        '"gemma3:1b" does not support thinking',
        "This model does not support the effort parameter.",
        "output_config.effort: Extra inputs are not permitted",
    ],
)
def test_no_effort(text: str) -> None:
    for dialect in (OPENAI, ANTHROPIC):
        other = learned(dialect, error(text))
        assert other
        assert other.efforts == (None,)
        assert other.format is Format.SCHEMA


def test_older_models_of_anthropic() -> None:
    text = "output_config.format: Extra inputs are not permitted"
    dialect = learned(ANTHROPIC, error(text))
    assert dialect
    assert (dialect.format, dialect.efforts) == (Format.WORDS, ("low", None))
    dialect = learned(ANTHROPIC, error("output_config: Extra inputs are not permitted"))
    assert dialect
    assert (dialect.format, dialect.efforts) == (Format.WORDS, (None,))
    dialect = learned(ANTHROPIC, error("anthropic-version: 2026-10-21 is not supported"))
    assert dialect
    assert dialect.versions == ("2023-06-01",)


def test_a_server_without_v1() -> None:
    dialect = learn(OPENAI, Rejection(404, {}, b"404 page not found"))
    assert dialect
    assert dialect.paths == ("/chat/completions",)
    assert learn(dialect, Rejection(404, {}, b"404 page not found")) is None


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "Invalid model name passed in model=gpt-9"),  # LiteLLM
        (400, "This model's maximum context length is 4096 tokens"),
        (400, "code max_tokens_exceeded"),
        (404, 'model "qwen3:8b" not found, try pulling it first'),  # Ollama
        (401, "temperature"),
        (403, "temperature"),
        (429, "max_completion_tokens"),
        (500, "response_format"),
    ],
)
def test_an_error_about_something_else_changes_nothing(status: int, text: str) -> None:
    assert learned(OPENAI, error(text), status) is None


def test_each_lesson_takes_a_choice_away_until_none_is_left() -> None:
    names = "max_tokens response_format temperature reasoning_effort anthropic-version"
    dialect: Dialect | None = OPENAI
    for lessons in range(10):
        assert dialect
        if (dialect := learned(dialect, error(names))) is None:
            assert lessons == 2
            return
    raise AssertionError("it never ends")
