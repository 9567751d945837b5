"""Docker: the machine's daemon, or one that runs only for the tests."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.instance import ROOT
from tests.waiting import wait_until

[BASE] = re.findall(r"^ARG BASE=(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
LACKING = f"""The tests of the image need a Docker daemon, or root to start one, and a base image:
    apt-get install --no-install-recommends docker.io iptables debootstrap    as root, or
    BASE={BASE} make test-image    where one can pull"""


class DockerError(Exception):
    """A docker command failed; the text is its output."""


class Docker:
    """The Docker daemon that the variables in `environ` name."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self.environ = {**os.environ, **(environ or {})}

    def answers(self) -> bool:
        """Whether the daemon answers."""
        command = ["docker", "version", "--format", "{{.Server.Version}}"]
        done = subprocess.run(command, env=self.environ, capture_output=True, check=False)
        return done.returncode == 0

    def __call__(self, *arguments: str | Path) -> str:
        """Run a command and return its output. Raises DockerError."""
        done = subprocess.run(
            ["docker", *arguments], env=self.environ, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise DockerError(f"{done.stdout}{done.stderr}")
        return done.stdout.strip()


def require(program: str, *, root: bool = False) -> None:
    """Raise DockerError, which says what to do, if the program or root's rights are missing."""
    if not shutil.which(program) or (root and os.geteuid() != 0):
        raise DockerError(LACKING)


@contextmanager
def running_docker() -> Iterator[Docker]:
    """Yield the machine's daemon if it answers, or else start one, and remove its data at the end.

    Raises DockerError, also when a program is missing.
    """
    require("docker")
    docker = Docker()
    if docker.answers():
        yield docker
        return
    require("dockerd", root=True)
    with tempfile.TemporaryDirectory(prefix="mentor-docker-") as folder:
        yield from _own_daemon(Path(folder))


def _own_daemon(folder: Path) -> Iterator[Docker]:
    address = f"unix://{folder / 'docker.sock'}"
    places = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
    options = [f"--{option}={folder / name}" for option, name in places.items()]
    docker = Docker({"DOCKER_HOST": address})
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(
            ["dockerd", f"--host={address}", *options], stdout=log, stderr=log
        )
        try:
            wait_until(lambda: docker.answers() or daemon.poll() is not None)
            if daemon.poll() is not None:
                raise DockerError((folder / "log").read_text(errors="replace"))
            yield docker
        finally:
            daemon.terminate()
            daemon.wait()
            # dockerd leaves its network namespace mounted.
            namespace = folder / "exec/netns/default"
            subprocess.run(["umount", namespace], capture_output=True, check=False)
