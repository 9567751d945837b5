"""The labelled set: what students might write, and the readings of it that count as right."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

SET = Path(__file__).with_name("feedback.jsonl")

Kind = Literal["plain", "slang", "typos", "sarcasm", "ambiguous", "off-topic"]


@dataclass(frozen=True, slots=True)
class Example:
    """A message and its labels: each a list of all that is right, the most natural first.

    `language` is a BCP 47 tag. A message without mathematics has the topic `general`.
    """

    id: str
    language: str
    kind: Kind
    task_id: str
    message: str
    difficulty: tuple[str, ...]
    sentiment: tuple[str, ...]
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExampleSet:
    """All examples, and the SHA-256 of their file: runs compare only where it is the same."""

    examples: Sequence[Example]
    sha256: str


def load(path: Path = SET) -> ExampleSet:
    """Read the set, one JSON object a line; raises ValidationError where it is not valid."""
    text = path.read_bytes()
    parser = TypeAdapter(Example)
    examples = [parser.validate_json(line) for line in text.splitlines()]
    return ExampleSet(examples, hashlib.sha256(text).hexdigest())
