"""What a server takes of a question, which differs, and is learned from what it refuses."""

import re
from dataclasses import dataclass, fields, replace
from enum import Enum

from function.llm.rejection import Rejection


class Format(Enum):
    """How the model is told the form of its answer."""

    SCHEMA = "json_schema"
    OBJECT = "json_object, schema in the prompt"
    WORDS = "schema in the prompt"


@dataclass(frozen=True, slots=True)
class Dialect:
    """What to send: the first of each choice. The others are left to try."""

    paths: tuple[str, ...]
    versions: tuple[str, ...] = ("",)
    limits: tuple[str, ...] = ("max_tokens",)
    formats: tuple[Format, ...] = (Format.SCHEMA, Format.WORDS)
    temperatures: tuple[float | None, ...] = (0, None)
    efforts: tuple[str | None, ...] = (None,)

    @property
    def format(self) -> Format:
        return self.formats[0]

    def describe(self) -> dict[str, str]:
        """What is sent, in words for a log."""
        return {
            "path": self.paths[0].partition("?")[0],
            "limit": self.limits[0],
            "format": self.format.value,
            "temperature": _or_default(self.temperatures[0]),
            "effort": _or_default(self.efforts[0]),
        }


# How servers name what they refuse. A name inside another word is not meant: `max_tokens_exceeded`.
NAMES = {
    "versions": r"anthropic[-_]version",
    "limits": r"max_(?:completion_)?tokens",
    "formats": (
        r"(?:response|output)_?format|(?:json|response)[ _]?schema|json_object"
        r"|output_config(?!\.effort)|structured.outputs?|grammar"
    ),
    "temperatures": r"temperature",
    "efforts": r"(?:reasoning_)?effort|reasoning|thinking|output_config(?!\.format)",
}
PATTERNS = {
    choice: re.compile(rf"(?<![a-z_])(?:{names})(?![a-z_])", re.IGNORECASE)
    for choice, names in NAMES.items()
}
REFUSALS = (400, 422)


def learn(dialect: Dialect, rejection: Rejection) -> Dialect | None:
    """Return what to send instead; None if nothing that was refused has another choice left.

    Each step takes choices away, so that learning ends. It reads the text of the error, because
    only OpenAI's API names the parameter in a field of its own.
    """
    if rejection.status == 404:
        is_model_missing = b"model" in rejection.body
        return None if is_model_missing else _without(dialect, {"paths"})
    if rejection.status not in REFUSALS:
        return None
    parameter = rejection.error().get("param")
    named = _named(parameter) if isinstance(parameter, str) else set()
    return _without(dialect, named or _named(rejection.body.decode(errors="replace")))


def _named(text: str) -> set[str]:
    return {choice for choice, pattern in PATTERNS.items() if pattern.search(text)}


def _without(dialect: Dialect, refused: set[str]) -> Dialect | None:
    choices = {field.name: getattr(dialect, field.name) for field in fields(dialect)}
    left = {name: choices[name][1:] for name in refused if len(choices[name]) > 1}
    return replace(dialect, **left) if left else None


def _or_default(value: object) -> str:
    return "the server's default" if value is None else str(value)
