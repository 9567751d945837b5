"""The labelled set: messages that students might write, and their accepted labels."""

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
    """A message and its labels. Each label is a list of accepted values, the most natural first.

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
    """All examples, and the SHA-256 of their file. Runs with different hashes can't be compared."""

    examples: Sequence[Example]
    sha256: str


def load(path: Path = SET) -> ExampleSet:
    """Read the set, one JSON object per line. Raises ValidationError."""
    text = path.read_bytes()
    parser = TypeAdapter(Example)
    examples = [parser.validate_json(line) for line in text.splitlines()]
    return ExampleSet(examples, hashlib.sha256(text).hexdigest())
