"""Environment variables as typed values, and the problems with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

ON, OFF = ("on", "true", "1"), ("off", "false", "0")


@dataclass(frozen=True, slots=True)
class Variables:
    """Reads typed values. For an invalid one it adds to `problems` and returns a default.

    An empty variable counts as not set.
    """

    environ: Mapping[str, str]
    problems: list[str] = field(default_factory=list)

    def overridden_by(self, values: Mapping[str, str]) -> "Variables":
        """The same variables, with other values for some; problems go to one list."""
        return Variables({**self.environ, **values}, self.problems)

    def text(self, name: str) -> str | None:
        """The text, or None."""
        return self.environ.get(name) or None

    def integer(self, name: str, default: int, *, at_least: int = 1, at_most: int) -> int:
        """A whole number."""
        text = self.text(name)
        if text is None:
            return default
        is_number = text.isascii() and text.isdigit() and len(text) < 10
        if is_number and at_least <= int(text) <= at_most:
            return int(text)
        self.problems.append(f"{name}: must be a whole number from {at_least} to {at_most}")
        return default

    def seconds(self, name: str, default: float, *, at_least: float = 0.1, at_most: float) -> float:
        """A number of seconds."""
        text = self.text(name)
        if text is None:
            return default
        try:
            seconds = float(text)
        except ValueError:
            seconds = float("nan")  # within no limits
        if at_least <= seconds <= at_most:
            return seconds
        self.problems.append(
            f"{name}: must be a number of seconds from {at_least:g} to {at_most:g}"
        )
        return default

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        """One of the choices, in any case."""
        text = self.text(name)
        if text is None:
            return default
        for choice in choices:
            if text.lower() == choice.lower():
                return choice
        self.problems.append(f"{name}: must be one of {', '.join(choices)}")
        return default

    def path(self, name: str) -> Path | None:
        """An existing file or folder, or None."""
        text = self.text(name)
        if text is not None and not _exists(Path(text)):
            self.problems.append(f"{name}: there is no such file or folder")
            return None
        return None if text is None else Path(text)

    def file(self, name: str) -> Path | None:
        """An existing file, or None where the variable is not set."""
        text = self.text(name)
        if text is not None and (not _exists(Path(text)) or Path(text).is_dir()):
            self.problems.append(f"{name}: must be an existing file")
        return None if text is None else Path(text)

    def host(self, name: str) -> str:
        """The name or address of a host, the folder of a socket, or ""."""
        text = self.text(name) or ""
        try:
            if not text.startswith("/"):
                text.encode("idna")  # as the lookup does, whose error looks like a bug
        except UnicodeError:
            self.problems.append(f"{name}: not a valid name of a host (DATABASE_URL can set it)")
        return text


def _exists(path: Path) -> bool:
    """Whether it can be found: the text of a certificate is too long for a name."""
    try:
        return path.exists()
    except OSError:
        return False


def parse_http_url(text: str) -> SplitResult | None:
    """Return the parts of an http(s) URL without a user, or None."""
    try:
        parts = urlsplit(text)
        valid = parts.port != 0 and bool(parts.hostname) and "@" not in parts.netloc
        valid = valid and parts.netloc.partition("]")[2][:1] in ("", ":")
    except ValueError:
        return None
    printable = text.isascii() and text.isprintable() and " " not in text
    return parts if valid and printable and parts.scheme in ("http", "https") else None
