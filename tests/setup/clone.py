"""A copy of the clone, as on a new machine: with an empty home folder and no cache."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess, Popen

from tests.instance import ROOT

KEPT = ("PATH", "SSL_CERT_FILE", "PIP_CERT", "HTTPS_PROXY", "PIP_INDEX_URL")  # to reach PyPI


@dataclass(frozen=True)
class Clone:
    """The files of the checkout in a new folder."""

    folder: Path
    home: Path

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        return {**kept, "HOME": str(self.home), "LC_ALL": "C"}

    def run(self, *command: str, **environ: str) -> CompletedProcess[str]:
        with self.start(*command, **environ) as process:
            output, _ = process.communicate()
        return CompletedProcess(command, process.returncode, output)

    def start(self, *command: str, **environ: str) -> Popen[str]:
        return Popen(
            command,
            cwd=self.folder,
            env={**self.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def set_up(self, lock: str, **environ: str) -> CompletedProcess[str]:
        """Make the virtual environment .venv-test from a lock in requirements/."""
        return self.run("sh", *setup(lock), **environ)

    def installed(self) -> dict[str, str]:
        """Return the versions of the distributions in .venv-test, by normalized name."""
        script = (
            "from importlib.metadata import distributions\n"
            "for it in distributions(): print(it.name.lower().replace('_', '-'), it.version)"
        )
        listed = self.run(".venv-test/bin/python", "-c", script)
        assert listed.returncode == 0, listed.stdout
        return dict(line.split() for line in listed.stdout.splitlines())


def setup(lock: str) -> list[str]:
    return ["dev/venv.sh", ".venv-test", f"requirements/{lock}", ".venv-test/ready"]


def copy(tmp_path: Path) -> Clone:
    """Copy the files of this checkout that git does not ignore to a path with a space."""
    clone = Clone(tmp_path / "a clone", tmp_path / "home")
    clone.home.mkdir()
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    for name in filter(None, files.stdout.split("\0")):
        if (ROOT / name).is_file():
            (clone.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone.folder / name)
    return clone
