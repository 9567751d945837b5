"""An error of a provider: words of it for the log, and whether a filter stopped the message."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from function.domain import Concern
from function.llm.concerns import concern_of, filtered_categories

PLAIN_WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}")
FILTER_STATUSES = (400, 403, 422)
# Azure; LiteLLM for all its providers; OpenAI's moderation; OpenRouter; Alibaba's Qwen.
FILTER = re.compile(
    r"content_filter|content_policy|ContentPolicyViolation|content management policy"
    r"|ResponsibleAIPolicy|\bmoderation|invalid_prompt|\brefusal\b|data_inspection_failed",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Rejection:
    """A response with another status than 2xx. The names of headers are in lower case.

    The body may be cut off, and may quote the student: nothing of it is logged but plain words.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def content(self) -> object:
        """The body, as far as it is JSON."""
        from pydantic_core import from_json  # a cold start does without it

        try:
            return from_json(self.body, allow_partial=True)
        except ValueError:
            return None

    def error(self) -> Mapping[str, Any]:
        """The error object: inside `error` or not, and in Gemini's case inside a list."""
        found = self.content
        if isinstance(found, list) and found:
            found = found[0]
        if isinstance(found, dict):
            found = found.get("error", found)
        return found if isinstance(found, dict) else {}


def words_for_log(rejection: Rejection, *secrets: str) -> Mapping[str, str]:
    """The error's code, type and parameter, where they are plain words and quote no secret."""
    error = rejection.error()
    found = {f"error_{name}": error.get(name) for name in ("code", "type", "param")}
    return {
        name: word
        for name, word in found.items()
        if isinstance(word, str)
        and PLAIN_WORD.fullmatch(word)
        and not any(_quotes(word.casefold(), secret.casefold()) for secret in secrets)
    }


def _quotes(word: str, secret: str) -> bool:
    """Whether one contains the other. Anything may contain a secret of a few letters."""
    return word in secret or (len(secret) > 3 and secret in word)


def filtered(rejection: Rejection) -> Concern | None:
    """What a filter of the provider saw in the message; None where no filter stopped it."""
    text = rejection.body.decode(errors="replace")
    if categories := filtered_categories(rejection.content or text):
        return concern_of(categories)
    is_filter = rejection.status in FILTER_STATUSES and FILTER.search(text)
    return Concern.UNASSESSED if is_filter and rejection.error() else None
