"""Words for a danger to the student: the model's own, and those of a provider's filter."""

import re
from collections.abc import Iterable, Iterator

from function.domain import Concern
from function.llm.json_text import plain_word

# Parts of words, in plain_word's spelling. A text with several is the first of them.
PARTS = {
    "self_harm": Concern.SELF_HARM,
    "selfharm": Concern.SELF_HARM,
    "self_injur": Concern.SELF_HARM,
    "suicid": Concern.SELF_HARM,
    "abus": Concern.ABUSE,
    "neglect": Concern.ABUSE,
    "violen": Concern.VIOLENCE,
    "threat": Concern.VIOLENCE,
    "weapon": Concern.VIOLENCE,
    "bully": Concern.BULLYING,
    "harass": Concern.BULLYING,
    # Categories of filters that may mean abuse or only bad language: a person must look.
    "sexual": Concern.OTHER,
    "hate": Concern.OTHER,
    "danger": Concern.OTHER,
}
NOTHING = re.compile(
    r"none(_.*)?|no|nothing|na|n_a|null|false|safe|not_applicable"
    r"|no(_[a-z]+)?_(concerns?|issues?|risks?)|nothing_(concerning|detected|found|reported)"
)
ORDER = (
    *(Concern.SELF_HARM, Concern.ABUSE, Concern.VIOLENCE, Concern.BULLYING, Concern.OTHER),
    *(Concern.NONE, Concern.UNASSESSED),
)
DEPTH = 8  # of a filter's results, or of what a model wrote


def read_concern(value: object, depth: int = DEPTH) -> Concern:
    """Read what the model wrote as the concern.

    Without a word the model did not look: UNASSESSED, never NONE. A word that is not known is
    OTHER, so that a person looks; but not in an object, which may be a schema.
    """
    if not depth:
        return Concern.OTHER
    if isinstance(value, list):
        return gravest(read_concern(one, depth - 1) for one in value)
    if isinstance(value, dict):
        words = (name if inner is True else inner for name, inner in value.items())
        return gravest(_known_concern(word) or Concern.UNASSESSED for word in words)
    if not plain_word(value):
        return Concern.OTHER if value is True else Concern.UNASSESSED
    return _known_concern(value) or Concern.OTHER


def _known_concern(text: object) -> Concern | None:
    word = plain_word(text)
    if word in {concern.value for concern in Concern}:
        return Concern(word)
    return named_concern(word) or (Concern.NONE if NOTHING.fullmatch(word) else None)


def named_concern(text: object) -> Concern | None:
    """The danger that the text names by a known word."""
    word = plain_word(text)
    return next((concern for part, concern in PARTS.items() if part in word), None)


def filtered_concern(results: object) -> Concern:
    """The danger that a provider's filter saw, from the categories that it marked.

    A category without a danger to the student, such as Azure's `jailbreak`, is UNASSESSED.
    https://learn.microsoft.com/en-us/azure/ai-services/openai/concepts/content-filter
    """
    return concern_of(filtered_categories(results))


def concern_of(categories: Iterable[str]) -> Concern:
    """The gravest danger among the categories of a filter."""
    return gravest(named_concern(one) or Concern.UNASSESSED for one in categories)


def filtered_categories(results: object) -> list[str]:
    """The categories that a filter marked, wherever they are in the provider's JSON."""
    return list(_filtered(results, DEPTH))


def _filtered(results: object, depth: int) -> Iterator[str]:
    if isinstance(results, list):
        results = dict(enumerate(results))
    if not isinstance(results, dict) or not depth:
        return
    for name, inner in results.items():
        if isinstance(inner, dict) and inner.get("filtered") is True:  # Azure, LiteLLM
            yield str(name)
        if name == "reasons" and isinstance(inner, list):  # OpenRouter
            yield from (reason for reason in inner if isinstance(reason, str))
        if name == "categories" and isinstance(inner, dict):  # OpenAI's moderation
            yield from (str(category) for category, flag in inner.items() if flag is True)
        yield from _filtered(inner, depth - 1)


def gravest(concerns: Iterable[Concern]) -> Concern:
    """The first of them in ORDER."""
    return min(concerns, key=ORDER.index, default=Concern.UNASSESSED)
