"""A fresh copy of the clone, and an interpreter whose environments have the oldest pip."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.setup.clone import Clone, copy

OLDEST_PIP = "23.0.1"  # of all supported Pythons; Debian 12's Python 3.11.2 has it
PIP_HASH = "236bcb61156d76c4b8a05821b988c7b8c35bf0da28a4b614e8d6ab5212c25c6f"

# Makes an environment as `python -m venv` does, then puts the oldest pip in it.
INTERPRETER = """\
#!/bin/sh
set -e
"{python}" "$@"
case "$*" in *--without-pip*) exit ;; "-m venv "*) ;; *) exit ;; esac
for folder; do :; done
"$folder/bin/python" -m pip install --quiet --no-index --no-deps "{wheel}"
"""


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return copy(tmp_path)


@pytest.fixture(scope="session")
def oldest_pip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of an interpreter whose new environments have pip OLDEST_PIP."""
    folder = tmp_path_factory.mktemp("oldest-pip")
    (folder / "lock.txt").write_text(f"pip=={OLDEST_PIP} --hash=sha256:{PIP_HASH}")
    subprocess.run([sys.executable, "-m", "venv", folder / "tools"], check=True)
    download = ["-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    subprocess.run(
        [folder / "tools/bin/python", *download, "-r", "lock.txt"], cwd=folder, check=True
    )
    [wheel] = folder.glob("pip-*.whl")
    interpreter = folder / "python3"
    interpreter.write_text(INTERPRETER.format(python=sys.executable, wheel=wheel))
    interpreter.chmod(0o755)
    return str(interpreter)
