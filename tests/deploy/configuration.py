"""The function's settings from the variables of a manifest."""

from collections.abc import Mapping
from pathlib import Path

from function.settings import Settings, load

MOUNTS = "/var/run/secrets/mentor"


class Recorded(dict[str, str]):
    """An environment that records which variables are read."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(environ)
        self.read: set[str] = set()

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        self.read.add(name)
        return super().get(name, default)


def settings_of(environ: Mapping[str, str], folder: Path) -> Settings:
    """Return the settings, with paths in this folder instead of the mounted ones.

    Raises ConfigurationError as the function would, and AssertionError for a variable that it
    doesn't read.
    """
    recorded = Recorded({name: _mounted(value, folder) for name, value in environ.items()})
    settings = load(recorded)
    assert set(environ) <= recorded.read
    return settings


def _mounted(value: str, folder: Path) -> str:
    """Make a mounted file or folder in `folder`, and return its path."""
    if not value.startswith(MOUNTS):
        return value
    path = folder / Path(value).relative_to(MOUNTS)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent.name == "database-ca" or path.name == "api-key":
        path.write_text("example")
    else:
        path.mkdir(exist_ok=True)
    return str(path)
