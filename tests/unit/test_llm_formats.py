"""What is sent first, before anything was learned."""

from typing import Any

import pytest

from function.llm.model import FORMATS
from function.llm_settings import LlmSettings
from function.llm_url import BASE_URLS

AZURE = "https://r.openai.azure.com/openai/v1"
OWN = "http://localhost:11434/v1"


def first(provider: str, url: str, effort: str = "") -> tuple[dict[str, str], dict[str, Any]]:
    """The headers and the body."""
    settings = LlmSettings(provider, url, "m", "key", None, 10, effort)
    wire = FORMATS[provider]
    dialect = wire.dialect(settings)
    return wire.headers(settings, "key", dialect), wire.body("m", "{}", dialect)


@pytest.mark.parametrize(
    ("url", "limit", "header"),
    [
        (BASE_URLS["openai"], "max_completion_tokens", "Authorization"),
        (AZURE, "max_completion_tokens", "api-key"),
        (OWN, "max_tokens", "Authorization"),  # Ollama ignores the other one, and says nothing
    ],
)
def test_openai(url: str, limit: str, header: str) -> None:
    headers, body = first("openai", url)
    assert list(headers) == [header]
    assert [name for name in body if name.startswith("max_")] == [limit]
    assert body["temperature"] == 0
    assert "reasoning_effort" not in body


def test_anthropic_gets_what_its_sdk_sends() -> None:
    headers, body = first("anthropic", BASE_URLS["anthropic"])
    assert headers == {"anthropic-version": "2026-10-21", "Authorization": "Bearer key"}
    assert "temperature" not in body


def test_another_server_of_anthropics_format_gets_both_forms_of_the_key() -> None:
    headers, body = first("anthropic", "http://localhost:4000")
    assert (headers["x-api-key"], headers["Authorization"]) == ("key", "Bearer key")
    assert body["temperature"] == 0


def test_the_effort() -> None:
    assert first("openai", OWN, "low")[1]["reasoning_effort"] == "low"
    assert first("anthropic", OWN, "low")[1]["output_config"]["effort"] == "low"
    assert "effort" not in first("anthropic", OWN)[1]["output_config"]


@pytest.mark.parametrize("provider", BASE_URLS)
def test_without_a_key_no_header_has_one(provider: str) -> None:
    settings = LlmSettings(provider, OWN, "m", None, None, 10)
    wire = FORMATS[provider]
    headers = wire.headers(settings, None, wire.dialect(settings))
    assert set(headers) <= {"anthropic-version"}
