"""Keyword rules that answer when no provider is configured.

They look for words in the message and never see a label. But their author knew the messages, so
they do better here than elsewhere. They show that requests and answers work, not how well a model
does. Every output made with them says so.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from eval.run import Reading

KEYWORDS = Path(__file__).with_name("keywords.json")

ADJUSTMENTS = {"easy": "harder", "ok": "same", "hard": "easier"}

Keywords = Mapping[str, Sequence[str]]


def read(message: str) -> Reading:
    """Read a message by its words: the first group with a match decides."""
    text = message.casefold()
    keywords = _keywords()
    topics = _found(keywords["topics"], text) or ["general"]
    difficulty = _difficulty(_found(keywords["difficulty"], text))
    return Reading(
        difficulty=difficulty,
        sentiment=next(iter(_found(keywords["sentiment"], text)), "neutral"),
        topics={topic: 1 / len(topics) for topic in topics},
        adjustment=ADJUSTMENTS[difficulty],
        concern="none",  # no list of words tells a danger from an idiom
    )


def _difficulty(found: Sequence[str]) -> str:
    """If both or neither match, the task was ok."""
    return found[0] if len(found) == 1 else "ok"


def _found(keywords: Keywords, text: str) -> Sequence[str]:
    return [name for name, words in keywords.items() if any(word in text for word in words)]


@cache
def _keywords() -> Mapping[str, Keywords]:
    found: Mapping[str, Keywords] = json.loads(KEYWORDS.read_text(encoding="utf-8"))
    return found
