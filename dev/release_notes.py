"""Prints the changelog's section of a release: `python -m dev.release_notes v0.1.0`.

Fails when tag, pyproject.toml and changelog do not have the same version.
"""

import re
import sys
import tomllib

from dev.paths import CLONE


class ReleaseError(Exception):
    """The tag can't be released; the text says what is wrong."""


def release_notes(tag: str, version: str, changelog: str) -> str:
    """The section of the version, without its heading. Raises ReleaseError."""
    if tag != f"v{version}":
        raise ReleaseError(f"the tag is {tag}, and pyproject.toml has the version {version}")
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$"
    section = re.search(rf"{heading}(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if not section or not section[1].strip():
        raise ReleaseError(f"CHANGELOG.md says nothing below `## [{version}] - DATE`")
    return section[1].strip()


def main() -> int:
    """Print the notes of the tag argv[1]; return the exit code, 1 if there are none."""
    [tag] = sys.argv[1:]
    pyproject = tomllib.loads((CLONE / "pyproject.toml").read_text(encoding="utf-8"))
    changelog = (CLONE / "CHANGELOG.md").read_text(encoding="utf-8")
    try:
        print(release_notes(tag, pyproject["project"]["version"], changelog))
    except ReleaseError as exc:
        print(f"No release: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
