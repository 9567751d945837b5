"""The values of one answer: those that are not as the schema demands are repaired, and noted."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from function.domain import Concern
from function.llm.concerns import concern_of_answer
from function.llm.json_text import plain_word
from function.llm.prompt import (
    DIFFICULTIES,
    KEYS,
    KINDS,
    SENTIMENTS,
    STEPS,
    UNDERSTANDINGS,
    WEIGHTS,
    taxonomy,
)

TOPICS_LIMIT = 5
BOUND = 10**9  # of what counts as a number
SIGNS = {"easy": 1, "ok": 0, "hard": -1}  # of the step to the next tasks
SYNONYMS = {
    "simple": "easy",
    "too_easy": "easy",
    "very_easy": "easy",
    "medium": "ok",
    "moderate": "ok",
    "normal": "ok",
    "okay": "ok",
    "difficult": "hard",
    "too_hard": "hard",
    "very_hard": "hard",
    "too_difficult": "hard",
    "happy": "positive",
    "proud": "positive",
    "sad": "negative",
    "angry": "frustrated",
    "worried": "anxious",
    "nervous": "anxious",
    "unsure": "confused",
}


class Values:
    """The values of an answer, and the names of their `repairs`; `found` is that of finding it.

    A name is a key, or one of `spelling`, `sign`, `extra key`, `text around` and `cut off`.
    """

    def __init__(self, answer: Mapping[str, object], found: str) -> None:
        self.repairs = {found} - {""}
        self._answer = answer
        self._values: dict[str, object] = {}
        for given, value in answer.items():
            if key := _keys().get(_letters(given)):
                self._values[key] = value
            self._note("spelling" if key else "extra key", unless=given in KEYS)

    @property
    def usable(self) -> bool:
        """Whether the difficulty or the sentiment can be read."""
        return bool(self.difficulty or self.sentiment)

    @property
    def difficulty(self) -> str | None:
        return self._word("perceived_difficulty", DIFFICULTIES)

    @property
    def sentiment(self) -> str | None:
        return self._word("sentiment", SENTIMENTS)

    @property
    def kind(self) -> str:
        return self._word("kind", KINDS) or "other"

    @property
    def understanding(self) -> str:
        return self._word("understanding", UNDERSTANDINGS) or "unknown"

    @property
    def concern(self) -> Concern:
        concern = concern_of_answer(self._answer)
        self._note("concern", unless=self._values.get("concern") == concern.value)
        return concern

    def adjustment(self, difficulty: str) -> float:
        """One of the steps. If it contradicts the difficulty, it becomes 0.

        Not the opposite: either of the two may be wrong, and no change is the smaller mistake.
        """
        step = self._step(self._values.get("difficulty_adjustment"))
        if step * SIGNS[difficulty] < 0:
            self.repairs.add("sign")
            return 0.0
        return step

    @property
    def topics(self) -> dict[str, float]:
        """The known topics with their weights, which are above 0."""
        given = list(_weighted(self._values.get("topics")))
        found: dict[str, float] = {}
        for topic, weight in given:
            if topic in taxonomy() and weight > 0:
                found[topic] = found.get(topic, 0.0) + weight
        heaviest = sorted(found, key=lambda topic: -found[topic])[:TOPICS_LIMIT]
        self._note("topics", unless=0 < len(heaviest) == len(given))
        return {topic: found[topic] for topic in heaviest} or {"general": 1.0}

    def _word(self, key: str, words: Sequence[str]) -> str | None:
        value = self._values.get(key)
        word = plain_word(value)
        word = word if word in words else SYNONYMS.get(word, "")
        self._note("spelling" if word in words else key, unless=word == value)
        return word if word in words else None

    def _step(self, value: object) -> float:
        named = STEPS.get(plain_word(value))
        number = _number(value) if named is None else named
        step = min(STEPS.values(), key=lambda step: abs(step - (number or 0)))
        self._note("difficulty_adjustment", unless=number == step)
        self._note("spelling", unless=named is None or str(value) in STEPS)
        return step

    def _note(self, name: str, *, unless: bool) -> None:
        if not unless:
            self.repairs.add(name)


@cache
def _keys() -> Mapping[str, str]:
    """The keys by their letters."""
    return {_letters(key): key for key in KEYS}


def _letters(key: str) -> str:
    """`perceivedDifficulty` is `perceived_difficulty`, too."""
    return re.sub(r"[\W_]", "", key.casefold())


def _weighted(topics: object) -> Iterator[tuple[str, float]]:
    """Pairs of topic and weight; the weight is 0 if it can't be read."""
    if isinstance(topics, dict) and "topic" not in topics:
        topics = [{"topic": topic, "weight": weight} for topic, weight in topics.items()]
    if not isinstance(topics, list):
        topics = [topics]
    for one in topics:
        entry = one if isinstance(one, dict) else {"topic": one}
        weight = entry.get("weight", 1.0)
        number = WEIGHTS.get(plain_word(weight), _number(weight))
        yield plain_word(entry.get("topic")).replace("_", "-"), number or 0.0


def _number(value: object) -> float | None:
    """A number within bounds, also if it is in quotes."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(max(-BOUND, min(BOUND, value)) if isinstance(value, int) else value)
    except ValueError:
        return None
    return None if math.isnan(number) else max(-BOUND, min(BOUND, number))
