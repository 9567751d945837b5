"""The labelled set: messages that students might write, and their accepted labels."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

SET = Path(__file__).with_name("feedback.jsonl")

KINDS = (
    *("plain", "slang", "typos", "sarcasm", "ambiguous", "off-topic", "negation", "long"),
    *("code-switching", "injection", "personal-data", "concern", "look-alike"),
)


@dataclass(frozen=True, slots=True)
class Example:
    """A message and its labels. Each label is a list of accepted values, the most natural first.

    `language` is a BCP 47 tag, `kind` one of KINDS. A message without mathematics has the topic
    `general`. `adjustment` is how the next tasks should change: easier, same or harder. `reason`
    explains the labels. `second_opinion` has the labels of a second reader, who saw the message
    only; see docs/evaluation.md.
    """

    id: str
    language: str
    kind: str
    task_id: str
    message: str
    difficulty: tuple[str, ...]
    sentiment: tuple[str, ...]
    topics: tuple[str, ...]
    adjustment: tuple[str, ...]
    concern: tuple[str, ...]
    reason: str
    second_opinion: Mapping[str, str]


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
