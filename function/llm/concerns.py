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
NOTHING = re.compile(r"(no|none|not|nothing|na|n_a|null|false|safe)(_|$)")
# Of several, the first one counts.
ORDER = (
    *(Concern.SELF_HARM, Concern.ABUSE, Concern.VIOLENCE, Concern.BULLYING, Concern.OTHER),
    *(Concern.NONE, Concern.UNASSESSED),
)
DEPTH = 8  # of a filter's results


def read_concern(value: object) -> Concern:
    """Read what the model wrote as the concern.

    Without a word the model did not look: UNASSESSED, never NONE. A word that is not known is
    OTHER, so that a person looks.
    """
    if isinstance(value, list):
        return _first(map(read_concern, value))
    word = plain_word(value)
    if not word:
        return Concern.OTHER if value is True else Concern.UNASSESSED
    if word in {concern.value for concern in Concern}:
        return Concern(word)
    return named_concern(word) or (Concern.NONE if NOTHING.match(word) else Concern.OTHER)


def named_concern(text: object) -> Concern | None:
    """The danger that the text names by a known word."""
    word = plain_word(text)
    return next((concern for part, concern in PARTS.items() if part in word), None)


def filtered_concern(results: object) -> Concern:
    """The danger that a provider's filter saw, from the categories that it marked.

    A category without a danger to the student, such as Azure's `jailbreak`, is UNASSESSED.
    https://learn.microsoft.com/en-us/azure/ai-services/openai/concepts/content-filter
    """
    found = map(named_concern, filtered_categories(results))
    return _first(concern or Concern.UNASSESSED for concern in found)


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


def _first(concerns: Iterable[Concern]) -> Concern:
    return min(concerns, key=ORDER.index, default=Concern.UNASSESSED)
