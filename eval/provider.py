"""The provider that the environment names, or the keyword rules."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from bench.output import say
from eval import server
from function.llm_settings import LlmSettings
from function.llm_url import BASE_URLS
from function.settings import load_or_exit

# The function's configuration requires a database; the evaluation never connects to it.
NO_DATABASE = {"DATABASE_URL": "postgresql://nobody@localhost/nothing"}
KEYS = ("LLM_API_KEY", "LLM_API_KEY_FILE", "LLM_BASE_URL")  # your own server may need none


@dataclass(frozen=True, slots=True)
class Provider:
    """The provider to ask. `by_rules`: keyword rules answer, not a model."""

    settings: LlmSettings
    by_rules: bool


@contextmanager
def configured(environ: Mapping[str, str]) -> Iterator[Provider]:
    """The provider of LLM_*, as the function reads them. Exits with 2 if the variables are wrong.

    Without a provider or its key: a local server that answers with keyword rules.
    """
    if missing := _missing(environ):
        say(f"{missing}: keyword rules on a local server answer, not a model.")
        with server.serving() as url:
            yield Provider(LlmSettings("openai", url, server.MODEL, None, None, 10), by_rules=True)
    else:
        given = {name: value for name, value in environ.items() if name.startswith("LLM_")}
        llm = load_or_exit({**given, **NO_DATABASE, **_timeout(environ)}).llm
        assert llm
        say(f"Asking {llm.model} at {llm.base_url}")
        yield Provider(llm, by_rules=False)


def _missing(environ: Mapping[str, str]) -> str:
    """What is not set and would be needed to ask a model."""
    provider = environ.get("LLM_PROVIDER", "").lower()
    if provider in ("", "stub"):
        return "LLM_PROVIDER names no provider"
    if provider not in BASE_URLS:  # misspelled: the function's configuration reports it
        return ""
    return "" if any(map(environ.get, KEYS)) else "LLM_API_KEY is missing"


def _timeout(environ: Mapping[str, str]) -> Mapping[str, str]:
    """DATABASE_TIMEOUT, because it limits LLM_TIMEOUT in the function."""
    return {"DATABASE_TIMEOUT": environ.get("DATABASE_TIMEOUT", "")}
