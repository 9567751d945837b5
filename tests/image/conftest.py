"""The image, built once from the Dockerfile, on python:slim or its substitute."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.base import find_base
from tests.image.container import Container, running
from tests.image.docker import Docker, DockerError, running_docker
from tests.instance import ROOT

IMAGE = "mentor-function:test"
INSIGHTS = "mentor-insights:test"
LABELS = {"VERSION": "1.2.3", "REVISION": "0123abc", "CREATED": "2026-02-16T10:12:45Z"}


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    try:
        with running_docker() as docker:
            yield docker
    except DockerError as exc:
        pytest.fail(str(exc), pytrace=False)


@pytest.fixture(scope="session")
def base(docker: Docker) -> str:
    try:
        return find_base(docker)
    except DockerError as exc:
        pytest.fail(str(exc), pytrace=False)


@pytest.fixture(scope="session")
def image(docker: Docker, base: str) -> str:
    arguments = {"BASE": base, **LABELS}
    options = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    docker("build", "--network=host", "--tag", IMAGE, *options, ROOT)
    return IMAGE


@pytest.fixture(scope="session")
def insights(docker: Docker, base: str) -> str:
    """The image of the reports for teachers."""
    file = f"--file={ROOT / 'deploy/insights/Dockerfile'}"
    docker("build", "--network=host", "--tag", INSIGHTS, file, f"--build-arg=BASE={base}", ROOT)
    return INSIGHTS


@pytest.fixture
def container(
    docker: Docker, image: str, feedback_database: str, tmp_path: Path
) -> Iterator[Container]:
    """A container with the function, which is ready."""
    log = tmp_path / "log"
    with running(docker, image, log, DATABASE_URL=feedback_database) as container:
        container.wait_until_ready()
        yield container
