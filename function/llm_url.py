"""LLM_BASE_URL: the forms in which people write it, and what each means."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from function.variables import parse_http_url

# The providers, and where they are; function/llm/model.py has the format of each.
BASE_URLS = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
}
HOSTS = {urlsplit(url).hostname for url in BASE_URLS.values()}
# What users copy from examples of requests, and the client adds itself.
ENDINGS = {"openai": ("/chat/completions",), "anthropic": ("/v1/messages", "/v1")}
DEPLOYMENT = "/openai/deployments/"  # in Azure's classic URL
API_VERSION = re.compile(r"api-version=[A-Za-z0-9.-]{1,40}")

# Endings of other APIs, and what to write instead.
OTHER_APIS = {
    "openai": {
        "/v1/messages": "is Anthropic's API: set LLM_PROVIDER=anthropic",
        "/responses": "is OpenAI's other API: end the URL before /responses",
        "/completions": "is OpenAI's old API: end the URL before /completions",
        "/api": "is Ollama's own API: end the URL with /v1 instead of /api",
        "/api/chat": "is Ollama's own API: end the URL with /v1 instead of /api/chat",
        "/api/generate": "is Ollama's own API: end the URL with /v1 instead of /api/generate",
    },
    "anthropic": {
        "/chat/completions": "is OpenAI's API: set LLM_PROVIDER=openai",
    },
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the API is. `query` belongs behind each path: Azure's version, or nothing."""

    base_url: str
    query: str = ""

    @property
    def path(self) -> str:
        return urlsplit(self.base_url).path

    @property
    def is_azure(self) -> bool:
        """Whether the key has a header of its own. A gateway may be in front of Azure."""
        host = urlsplit(self.base_url).hostname or ""
        return host.endswith(".azure.com") or DEPLOYMENT in self.path

    @property
    def is_the_providers_own(self) -> bool:
        return urlsplit(self.base_url).hostname in HOSTS


def parse_endpoint(provider: str, url: str) -> Endpoint:
    """Read a URL that has no problem."""
    base, mark, query = url.partition("?")
    base = base.rstrip("/")
    for ending in ENDINGS[provider]:
        base = base.removesuffix(ending).rstrip("/")
    endpoint = Endpoint(base, mark + query)
    if endpoint.is_azure and endpoint.path in ("", "/openai") and provider == "openai":
        return Endpoint(f"{base.removesuffix('/openai')}/openai/v1", mark + query)
    return endpoint


def find_problem(provider: str, url: str) -> str | None:
    """What is wrong with the URL, or None. It does not quote the URL, which may hold a secret."""
    parts = parse_http_url(url)
    if not parts or "#" in url:
        return "must be http(s)://host[:port][/path], without a user or a query"
    endpoint = parse_endpoint(provider, url)
    for ending, text in OTHER_APIS[provider].items():
        if endpoint.path.endswith(ending):
            return f"{ending} {text}"
    return _query_problem(endpoint)


def _query_problem(endpoint: Endpoint) -> str | None:
    if DEPLOYMENT in endpoint.path:
        if not API_VERSION.fullmatch(endpoint.query.removeprefix("?")):
            return "Azure's URL of a deployment must end with ?api-version=VERSION"
    elif endpoint.query:
        return "must not have a query, except ?api-version=VERSION for a deployment in Azure"
    return None
