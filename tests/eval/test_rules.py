"""The rules that answer in place of a model: they look for words only."""

import json

from eval import rules
from eval.run import Reading
from function.domain import Difficulty
from function.llm.prompt import SENTIMENTS, taxonomy


def test_words() -> None:
    """Words decide the difficulty, the sentiment and the topics."""
    assert rules.read("Too HARD, I hate fractions") == Reading(
        "hard", "frustrated", {"fractions": 1.0}, "easier", "none"
    )


def test_no_known_word() -> None:
    """Without a known word, the answer is the stub's."""
    assert rules.read("?") == Reading("ok", "neutral", {"general": 1.0}, "same", "none")


def test_contradiction() -> None:
    """Words for easy and for hard together mean `ok`."""
    assert rules.read("one was easy and one was hard").difficulty == "ok"


def test_labels() -> None:
    """The rules use only labels that a model may answer."""
    known = json.loads(rules.KEYWORDS.read_text(encoding="utf-8"))
    assert known["difficulty"].keys() == {difficulty.value for difficulty in Difficulty}
    assert known["sentiment"].keys() <= set(SENTIMENTS)
    assert known["topics"].keys() <= taxonomy().keys()
