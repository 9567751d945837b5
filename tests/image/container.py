"""A container of the image, on the machine's own network, where PostgreSQL listens."""

import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from dev.ports import free_port
from tests.image.docker import Docker
from tests.instance import Instance

# As all platforms in deploy/ run it.
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
MIGRATE = ("python", "-m", "function.migrate")


class Container(Instance):
    """The function in the container `name`."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", port: int, log_file: Path, name: str
    ) -> None:
        super().__init__(process, port, log_file)
        self.name = name


@contextmanager
def running(
    docker: Docker,
    image: str,
    log_file: Path,
    options: Sequence[str] = HARDENED,
    command: Sequence[str] = (),
    **environ: str,
) -> Iterator[Container]:
    """Run a container until the end of the block. `docker run` forwards signals and exit code."""
    name, port = f"mentor-test-{uuid.uuid4().hex[:12]}", free_port()
    variables = _variables({"PORT": str(port), **environ})
    arguments = ["run", "--name", name, "--network=host", *options, *variables, image, *command]
    with log_file.open("ab") as output:
        process = subprocess.Popen(
            ["docker", *arguments], env=docker.environ, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield Container(process, port, log_file, name)
    finally:
        docker("rm", "--force", "--volumes", name)
        process.wait()


def printed(docker: Docker, image: str, *command: str) -> str:
    """Return the output of a command in a new container."""
    return docker("run", "--rm", "--network=none", *HARDENED, image, *command)


def _variables(environ: Mapping[str, str]) -> list[str]:
    return [f"--env={name}={value}" for name, value in environ.items()]
