"""A provider's answers to the whole set, and the file that stores them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from eval.examples import ExampleSet
from eval.failure import EvalFailure


@dataclass(frozen=True, slots=True)
class Reading:
    """The model's labels for a message, as those of an Example. The weights of topics sum to 1."""

    difficulty: str
    sentiment: str
    topics: Mapping[str, float]
    adjustment: str
    concern: str

    def top_topics(self) -> set[str]:
        """The topics with the largest weight; several if they are equal."""
        most = max(self.topics.values())
        return {topic for topic, weight in self.topics.items() if weight == most}


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one example.

    Without a `reading`, the function would have used the neutral strategy; `failure` is the reason.
    Tokens are None if the provider does not count them. `repairs` names what was put right.
    `noticed` is the concern without a reading, for example of the provider's filter.
    """

    id: str
    seconds: float
    attempts: int
    reading: Reading | None
    failure: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    repairs: tuple[str, ...] = ()
    noticed: str = "unassessed"

    @property
    def concern(self) -> str:
        """The concern that the function would have stored."""
        return self.reading.concern if self.reading else self.noticed


@dataclass(frozen=True, slots=True)
class Run:
    """One evaluation; `date` is RFC 3339 text in UTC. `by_rules`: no model was asked."""

    provider: str
    model: str
    by_rules: bool
    prompt_version: str
    date: str
    set_sha256: str
    answers: Sequence[Answer]

    @property
    def name(self) -> str:
        """The run's name in tables."""
        return "by rules, not a model" if self.by_rules else f"{self.model}, {self.provider}"


def save(run: Run, path: Path) -> None:
    """Save the run as JSON. Raises EvalFailure."""
    text = TypeAdapter(Run).dump_json(run, indent=1)
    try:
        path.write_bytes(text + b"\n")
    except OSError as exc:
        raise EvalFailure(f"{path}: the run could not be saved: {exc.strerror}") from exc


def load(path: Path, labelled: ExampleSet) -> Run:
    """Read a saved run. Raises EvalFailure, also if it was made with another set."""
    try:
        run = TypeAdapter(Run).validate_json(path.read_bytes())
    except OSError as exc:
        raise EvalFailure(f"{path}: {exc.strerror}") from exc
    except ValidationError as exc:
        raise EvalFailure(f"{path}: not a saved run") from exc
    if run.set_sha256 != labelled.sha256:
        raise EvalFailure(f"{path}: made with another set of messages, so it can't be compared")
    if [answer.id for answer in run.answers] != [example.id for example in labelled.examples]:
        raise EvalFailure(f"{path}: does not hold one answer to each message")
    return run
