"""The rules go by words alone."""

import json

from eval import rules
from eval.run import Reading
from function.domain import Difficulty
from function.llm.prompt import SENTIMENTS, taxonomy


def test_words_decide() -> None:
    assert rules.read("Too HARD, I hate fractions") == Reading(
        "hard", "frustrated", {"fractions": 1.0}
    )


def test_without_a_known_word_it_is_what_the_stub_says() -> None:
    assert rules.read("?") == Reading("ok", "neutral", {"general": 1.0})


def test_signs_of_both_make_it_ok() -> None:
    assert rules.read("one was easy and one was hard").difficulty == "ok"


def test_they_know_only_what_a_model_may_answer() -> None:
    known = json.loads(rules.KEYWORDS.read_text(encoding="utf-8"))
    assert known["difficulty"].keys() == {difficulty.value for difficulty in Difficulty}
    assert known["sentiment"].keys() <= set(SENTIMENTS)
    assert known["topics"].keys() <= taxonomy().keys()
