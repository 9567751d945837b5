"""The programs that the tests need; an error names a missing one."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

NODE_MODULES = Path(__file__).with_name("node_modules")
NEEDED = {
    "go": "Go 1.25 or later: https://go.dev/dl",
    "java": "a JDK 11 or later: https://adoptium.net",
    "javac": "a JDK 11 or later, a JRE is not enough: https://adoptium.net",
    "node": "Node.js 20.19 or later: https://nodejs.org",
    "npm": "npm 10 or later, which comes with Node.js: https://nodejs.org",
}
# No telemetry and no check for updates.
SILENT = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


class MissingProgram(Exception):
    """A program is not on the PATH; the text names it and says where to get it."""


def program(name: str) -> str:
    """Return the path of the program. Raises MissingProgram."""
    found = shutil.which(name)
    if not found:
        raise MissingProgram(f"{name} is missing: {NEEDED[name]}")
    return found


def run(*command: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Return the command's stdout. Raises AssertionError with its output if it fails."""
    environ = {**os.environ, **SILENT, **(env or {})}
    done = subprocess.run(
        command, cwd=cwd, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout[-5000:]}\n{done.stderr[-5000:]}"
    return done.stdout
