"""LLM_* is read with the rest of the configuration."""

import re
from pathlib import Path

import pytest

from function.llm_settings import LlmSettings
from function.llm_url import Endpoint
from function.settings import ConfigurationError, load

DATABASE = {"DATABASE_URL": "postgresql://mentor@db/mathtrail"}
SECRET = "sk-s3cret"


def read(**environ: str) -> LlmSettings:
    settings = load({**DATABASE, **environ}).llm
    assert settings
    return settings


def problems(**environ: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load({**DATABASE, **environ})
    assert SECRET not in str(caught.value)
    return [line.split(":")[0] for line in str(caught.value).splitlines()]


def test_the_stub_is_the_default_and_needs_nothing() -> None:
    assert load(DATABASE).llm is None
    assert load({**DATABASE, "LLM_PROVIDER": "Stub", "LLM_TIMEOUT": "what"}).llm is None


def test_the_stub_reads_no_variable_of_a_model() -> None:
    environ = {**DATABASE, "LLM_MODEL": "m", "LLM_API_KEY": SECRET, "LLM_TIMEOUT": ""}
    assert load(environ).unused == ("LLM_API_KEY", "LLM_MODEL")
    assert load({**environ, "LLM_PROVIDER": "stub"}).unused == ("LLM_API_KEY", "LLM_MODEL")


def test_a_misspelled_variable_is_unused() -> None:
    assert load({**DATABASE, "LLM_PROVDER": "openai"}).unused == ("LLM_PROVDER",)
    assert load({**DATABASE, "LLM_PROVIDER": "stub", "LLM_TIMOUT": "1"}).unused == ("LLM_TIMOUT",)


@pytest.mark.parametrize(
    ("provider", "url"),
    [("openai", "https://api.openai.com/v1"), ("anthropic", "https://api.anthropic.com")],
)
def test_a_provider_needs_a_model_and_a_key(provider: str, url: str) -> None:
    settings = read(LLM_PROVIDER=provider, LLM_MODEL="m", LLM_API_KEY=SECRET)
    assert (settings.base_url, settings.api_key, settings.timeout) == (url, SECRET, 10)
    assert SECRET not in repr(settings)
    assert problems(LLM_PROVIDER=provider) == ["LLM_MODEL", "LLM_API_KEY"]


def test_a_server_of_ones_own_needs_no_key() -> None:
    url = "http://localhost:11434/v1"
    settings = read(LLM_PROVIDER="openai", LLM_MODEL="qwen3:8b", LLM_BASE_URL=url)
    assert (settings.api_key, settings.api_key_file) == (None, None)


@pytest.mark.parametrize(
    ("url", "own", "concurrency", "message_limit"),
    [
        ("https://api.groq.com/openai/v1", False, 500, 5000),
        ("http://localhost:11434/v1", True, 4, 2000),
        ("HTTP://10.0.0.1/v1", True, 4, 2000),
    ],
)
def test_a_server_of_ones_own_is_asked_less_at_once(
    url: str, own: bool, concurrency: int, message_limit: int
) -> None:
    settings = read(LLM_PROVIDER="openai", LLM_MODEL="m", LLM_BASE_URL=url)
    assert settings.own_server is own
    assert (settings.concurrency, settings.message_limit) == (concurrency, message_limit)


def test_limits_are_off_by_default_and_can_be_set() -> None:
    environ = {"LLM_PROVIDER": "openai", "LLM_MODEL": "m", "LLM_API_KEY": SECRET}
    settings = read(**environ)
    assert (settings.daily_tokens, settings.student_hourly) == (None, None)
    limits = {"LLM_DAILY_TOKENS": "2000000", "LLM_STUDENT_HOURLY": "20"}
    places = {"LLM_CONCURRENCY": "1", "LLM_MESSAGE_LIMIT": "100"}
    settings = read(**environ, **limits, **places)
    assert (settings.daily_tokens, settings.student_hourly) == (2_000_000, 20)
    assert (settings.concurrency, settings.message_limit) == (1, 100)


def test_limits_have_limits() -> None:
    assert problems(
        LLM_PROVIDER="openai",
        LLM_MODEL="m",
        LLM_API_KEY=SECRET,
        LLM_CONCURRENCY="501",
        LLM_MESSAGE_LIMIT="99",
        LLM_DAILY_TOKENS="0",
        LLM_STUDENT_HOURLY="many",
    ) == ["LLM_CONCURRENCY", "LLM_MESSAGE_LIMIT", "LLM_DAILY_TOKENS", "LLM_STUDENT_HOURLY"]


def test_the_key_may_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(SECRET)
    settings = read(LLM_PROVIDER="openai", LLM_MODEL="m", LLM_API_KEY_FILE=str(file))
    assert settings.api_key_file == file


def test_a_folder_is_no_file_with_a_key(tmp_path: Path) -> None:
    folder = {"LLM_API_KEY_FILE": str(tmp_path)}
    assert problems(LLM_PROVIDER="openai", LLM_MODEL="m", **folder) == ["LLM_API_KEY_FILE"]


def test_every_wrong_variable_is_named_at_once() -> None:
    assert problems(
        LLM_PROVIDER="openai",
        LLM_MODEL="two words",
        LLM_BASE_URL=f"https://user:{SECRET}@host/v1",
        LLM_API_KEY=f"{SECRET}\nX-Evil: 1",
        LLM_TIMEOUT="0",
        LOG_LEVEL="LOUD",
    ) == ["LLM_TIMEOUT", "LLM_BASE_URL", "LLM_MODEL", "LLM_API_KEY", "LOG_LEVEL"]


def test_a_key_comes_from_one_place(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(SECRET)
    both = {"LLM_API_KEY": SECRET, "LLM_API_KEY_FILE": str(file)}
    assert problems(LLM_PROVIDER="openai", LLM_MODEL="m", **both) == ["LLM_API_KEY_FILE"]
    missing = {"LLM_API_KEY_FILE": "/nowhere"}
    assert problems(LLM_PROVIDER="openai", LLM_MODEL="m", **missing) == ["LLM_API_KEY_FILE"]


@pytest.mark.parametrize(
    "url",
    ["host", "ftp://host", "http://", "http://host:port", "http://h/?a=b", "http://h/#a", "http://[",
     "http://[::1]x", "http://h/v1?", "http://h/v1#", "http://h/a b", "http://hö/"],
)  # fmt: skip
def test_what_is_no_base_url(url: str) -> None:
    assert problems(LLM_PROVIDER="openai", LLM_MODEL="m", LLM_BASE_URL=url) == ["LLM_BASE_URL"]


def endpoint(provider: str, url: str) -> Endpoint:
    model = {"LLM_MODEL": "m", "LLM_API_KEY": SECRET}
    return read(LLM_PROVIDER=provider, LLM_BASE_URL=url, **model).endpoint


@pytest.mark.parametrize(
    ("provider", "url", "base_url"),
    [
        ("openai", "http://localhost:11434", "http://localhost:11434"),
        ("openai", "http://localhost:11434/", "http://localhost:11434"),
        ("openai", "http://h/v1/chat/completions", "http://h/v1"),
        ("openai", "http://h/v1/chat/completions/", "http://h/v1"),
        ("openai", "https://r.openai.azure.com/", "https://r.openai.azure.com/openai/v1"),
        ("openai", "https://r.openai.azure.com/openai/v1/", "https://r.openai.azure.com/openai/v1"),
        ("anthropic", "https://api.anthropic.com/v1", "https://api.anthropic.com"),
        ("anthropic", "http://h:4000/v1/messages", "http://h:4000"),
        ("anthropic", "http://h/anthropic", "http://h/anthropic"),
    ],
)
def test_each_form_of_a_base_url(provider: str, url: str, base_url: str) -> None:
    assert endpoint(provider, url) == Endpoint(base_url)


@pytest.mark.parametrize("host", ["r.openai.azure.com", "gateway.example"])
def test_the_classic_url_of_azure(host: str) -> None:
    base = f"https://{host}/openai/deployments/gpt"
    found = endpoint("openai", f"{base}/chat/completions?api-version=2024-10-21")
    assert found == Endpoint(base, "?api-version=2024-10-21")
    assert found.is_azure


@pytest.mark.parametrize(
    ("provider", "url", "advice"),
    [
        ("openai", "https://api.anthropic.com/v1/messages", "LLM_PROVIDER=anthropic"),
        ("anthropic", "http://h/v1/chat/completions", "LLM_PROVIDER=openai"),
        ("openai", "http://localhost:11434/api/chat", "/v1 instead of /api/chat"),
        ("openai", "http://localhost:11434/api", "/v1 instead of /api"),
        ("openai", "https://api.openai.com/v1/responses", "before /responses"),
        ("openai", "https://r/openai/deployments/gpt", "?api-version=VERSION"),
        ("openai", "https://r/openai/deployments/gpt?api-version=1&key=k", "?api-version=VERSION"),
        ("openai", "https://r/v1?api-version=2024-10-21", "must not have a query"),
    ],
)
def test_the_url_of_another_api_is_explained(provider: str, url: str, advice: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(advice)):
        endpoint(provider, url)


def test_a_provider_in_another_form_needs_a_key_too() -> None:
    for url in ("https://api.anthropic.com/v1/", "https://api.anthropic.com/v1/messages"):
        environ = {"LLM_PROVIDER": "anthropic", "LLM_MODEL": "m", "LLM_BASE_URL": url}
        assert problems(**environ) == ["LLM_API_KEY"]


def test_the_effort_is_one_that_the_provider_knows() -> None:
    environ = {"LLM_MODEL": "m", "LLM_API_KEY": SECRET}
    assert read(LLM_PROVIDER="openai", **environ).reasoning_effort == ""
    openai = {**environ, "LLM_PROVIDER": "openai"}
    assert read(**openai, LLM_REASONING_EFFORT="None").reasoning_effort == "none"
    anthropic = {**environ, "LLM_PROVIDER": "anthropic"}
    assert read(**anthropic, LLM_REASONING_EFFORT="max").reasoning_effort == "max"
    assert problems(**anthropic, LLM_REASONING_EFFORT="none") == ["LLM_REASONING_EFFORT"]
    assert problems(**openai, LLM_REASONING_EFFORT="much") == ["LLM_REASONING_EFFORT"]


def test_an_answer_comes_before_a_platform_kills() -> None:
    environ = {"LLM_PROVIDER": "openai", "LLM_MODEL": "m", "LLM_API_KEY": SECRET}
    assert read(**environ, LLM_TIMEOUT="14").timeout == 14
    assert problems(**environ, LLM_TIMEOUT="14.1") == ["LLM_TIMEOUT"]
    assert problems(**environ, LLM_TIMEOUT="20.1") == ["LLM_TIMEOUT"]


def test_an_unknown_provider_is_a_problem() -> None:
    assert problems(LLM_PROVIDER=SECRET) == ["LLM_PROVIDER"]
