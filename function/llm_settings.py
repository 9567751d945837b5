"""The configuration of the model."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from function.llm_url import BASE_URLS, Endpoint, find_problem, parse_endpoint
from function.variables import Variables

KEY = re.compile(r"[!-~]{1,4096}")  # what a header can carry
MODEL = re.compile(r"[!-~]{1,200}")
# As the providers' SDKs name them; each model takes some of them.
EFFORTS = {
    "openai": ("none", "minimal", "low", "medium", "high", "xhigh", "max"),
    "anthropic": ("low", "medium", "high", "xhigh", "max"),
}
VARIABLES = (
    *("LLM_PROVIDER", "LLM_MODEL", "LLM_BASE_URL"),
    *("LLM_API_KEY", "LLM_API_KEY_FILE", "LLM_TIMEOUT", "LLM_REASONING_EFFORT"),
)


@dataclass(frozen=True, slots=True)
class LlmSettings:
    """Which model to ask, and how. The timeout is in seconds."""

    provider: str
    base_url: str
    model: str
    api_key: str | None = field(repr=False)
    api_key_file: Path | None
    timeout: float
    reasoning_effort: str = ""

    @property
    def endpoint(self) -> Endpoint:
        """Where the API is, in whatever form LLM_BASE_URL names it."""
        return parse_endpoint(self.provider, self.base_url)


def read_llm_settings(variables: Variables) -> LlmSettings | None:
    """Read LLM_*; None for the stub. Problems are added to those of `variables`."""
    provider = variables.choice("LLM_PROVIDER", "stub", ("stub", *BASE_URLS))
    if provider == "stub":
        return None
    settings = LlmSettings(
        provider=provider,
        base_url=variables.text("LLM_BASE_URL") or BASE_URLS[provider],
        model=variables.text("LLM_MODEL") or "",
        api_key=variables.text("LLM_API_KEY"),
        api_key_file=variables.file("LLM_API_KEY_FILE"),
        timeout=variables.seconds("LLM_TIMEOUT", 10, at_most=20),
        reasoning_effort=variables.choice("LLM_REASONING_EFFORT", "", EFFORTS[provider]),
    )
    variables.problems.extend(_problems(settings))
    variables.problems.extend(_key_problems(settings, variables))
    return settings


def find_unused(variables: Variables, llm: LlmSettings | None) -> tuple[str, ...]:
    """Name the LLM_* variables that nothing reads: misspelled ones, and with the stub the rest."""
    read = VARIABLES if llm else ("LLM_PROVIDER",)
    set_here = (name for name in variables.environ if name.startswith("LLM_"))
    return tuple(sorted(name for name in set_here if variables.text(name) and name not in read))


def _problems(settings: LlmSettings) -> list[str]:
    from importlib.util import find_spec  # the stub does without it

    problems = []
    if find_spec("httpx2") is None:
        problems.append("LLM_PROVIDER: needs the extra llm: pip install '.[llm]'")
    if problem := find_problem(settings.provider, settings.base_url):
        problems.append(f"LLM_BASE_URL: {problem}")
    if not settings.model:
        problems.append(f"LLM_MODEL: missing, and LLM_PROVIDER={settings.provider} needs it")
    elif not MODEL.fullmatch(settings.model):
        problems.append("LLM_MODEL: must be 1 to 200 printable ASCII characters without a space")
    return problems


def _key_problems(settings: LlmSettings, variables: Variables) -> list[str]:
    """Only servers at other addresses than the provider's need no key."""
    if settings.api_key and variables.text("LLM_API_KEY_FILE"):
        return ["LLM_API_KEY_FILE: LLM_API_KEY is set too, and only one of them can be"]
    if settings.api_key and not KEY.fullmatch(settings.api_key):
        return ["LLM_API_KEY: must be printable ASCII characters without a space"]
    if find_problem(settings.provider, settings.base_url):
        return []
    own = not settings.endpoint.is_the_providers_own
    if not own and not settings.api_key and not variables.text("LLM_API_KEY_FILE"):
        return [f"LLM_API_KEY: missing (so is LLM_API_KEY_FILE), and {settings.base_url} needs it"]
    return []
