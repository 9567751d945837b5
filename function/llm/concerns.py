"""Words for a danger to the student: the model's own, and those of a provider's filter."""

import re
from collections.abc import Iterable, Iterator, Mapping

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
    "bullie": Concern.BULLYING,
    "harass": Concern.BULLYING,
    # Categories of filters that may mean abuse or only bad language: a person must look.
    "sexual": Concern.OTHER,
    "hate": Concern.OTHER,
    "danger": Concern.OTHER,
}
# Nothing else may follow: "none, but a classmate hits me" tells of a danger.
NOTHING = re.compile(
    r"(none|nothing)(_(concerning|detected|found|identified|indicated|mentioned|noted|observed"
    r"|present|reported|apparent|evident|expressed|at_all|of_the_above|of_these))?"
    r"|none_(just_)?(an_)?idiom|no|na|n_a|null|false|(is_)?safe|unlikely|absent|negative"
    r"|not_(applicable|detected|evident|found|indicated|likely|mentioned|observed|present)"
    r"|no(_[a-z]+)?_(concerns?|issues?|risks?)"
)
# Of a danger in prose, where "I hate it" and "the syllabus" are harmless.
PROSE = re.compile(
    r"suicid|self.?harm|\babus[ei]|\bviolen[ct]|\bbull(?:y|ied)|\bharass", re.IGNORECASE
)
THOUGHTS = re.compile(r"\A.*</think>|<think>.*", re.DOTALL)
AFTER_KEY = re.compile(r"concern\W{1,9}(\w+(?:-\w+)?)", re.IGNORECASE)  # in JSON that can't be read
NAMED = (Concern.SELF_HARM, Concern.ABUSE, Concern.VIOLENCE, Concern.BULLYING)
ORDER = (*NAMED, Concern.OTHER, Concern.NONE, Concern.UNASSESSED)
# In a text, into which some gateways put the error of the provider behind them.
FILTERED = re.compile(
    r"""(?<![\w-])([\w-]{1,40})\\*["']\s*:\s*\{[^{}]{0,99}["']filtered\\*["']\s*:\s*[Tt]rue"""
)
BY_VALUE = {concern.value: concern for concern in Concern}
FLAGS = {concern.value: concern for concern in NAMED}  # without `other`, which is a topic, too
DEPTH = 8  # of a filter's results, or of what a model wrote


def concern_of_answer(answer: Mapping[str, object], depth: int = DEPTH) -> Concern:
    """The gravest concern of an answer and of the objects in it, whatever key names it."""
    return gravest(_field(name, value, depth) for name, value in answer.items())


def _field(name: str, value: object, depth: int) -> Concern:
    key = plain_word(name)
    if "concern" in key:
        if value is True and NOTHING.fullmatch(key):
            return Concern.NONE
        concern = read_concern(value)
        # A `concern_reason` or a `concern_level` tells of a concern, and is none of its own.
        is_detail = not key.endswith(("concern", "concerns")) and plain_word(value) != "other"
        return Concern.UNASSESSED if is_detail and concern is Concern.OTHER else concern
    if isinstance(value, dict) and depth:
        return concern_of_answer(value, depth - 1)
    return FLAGS.get(key, Concern.UNASSESSED) if value is True else Concern.UNASSESSED


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
        return gravest(_entry(name, inner, depth - 1) for name, inner in value.items())
    if not plain_word(value):
        return Concern.OTHER if value is True else Concern.UNASSESSED
    return _known_concern(value) or Concern.OTHER


def _entry(name: str, value: object, depth: int) -> Concern:
    """What an entry of an object says: `"type": "abuse"`, or `"abuse": "likely"`."""
    if name == "enum" or not depth:
        return Concern.UNASSESSED
    if isinstance(value, list):
        return gravest(_entry(name, one, depth - 1) for one in value)
    if isinstance(value, dict):
        inner = gravest(_entry(one, value[one], depth - 1) for one in value)
        return named_concern(name) or inner if inner.is_danger else inner
    said = _known_concern(value)
    if said or not _affirms(value):
        return said or Concern.UNASSESSED
    return _known_concern(name) or (Concern.OTHER if value is True else Concern.UNASSESSED)


def _affirms(value: object) -> bool:
    """Whether it is true, a text, or a number that is likelier than not."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return bool(plain_word(value))
    return isinstance(value, int | float) and value >= 0.5


def _known_concern(text: object) -> Concern | None:
    word = plain_word(text)
    known = BY_VALUE.get(word) or named_concern(word)
    return known or (Concern.NONE if NOTHING.fullmatch(word) else None)


def named_concern(text: object) -> Concern | None:
    """The danger that the text names by a known word."""
    word = plain_word(text)
    return next((concern for part, concern in PARTS.items() if part in word), None)


def concern_in_words(text: str) -> Concern:
    """The danger that a text without an answer names: a refusal in prose, or broken JSON."""
    text = THOUGHTS.sub("", text)  # which go through all dangers that there are
    found = AFTER_KEY.findall(text) if "{" in text else PROSE.findall(text)
    return gravest(_known_concern(word) or Concern.UNASSESSED for word in set(found))


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
    if isinstance(results, str):
        yield from FILTERED.findall(results)
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
