"""The contents of the image."""

import json
from typing import Any

import pytest

from tests.image.conftest import LABELS
from tests.image.container import printed
from tests.image.docker import Docker
from tests.instance import ROOT

pytestmark = [pytest.mark.image, pytest.mark.timeout(600)]

FIND = "find / -xdev ( -path /proc -o -path /sys -o -path /dev ) -prune -o"
LIBRARY = "import sysconfig; print(sysconfig.get_path('purelib'))"
OFFICIAL_BASE = 130_000_000  # bytes; an upper bound for python:slim


def inspected(docker: Docker, image: str) -> Any:
    return json.loads(docker("image", "inspect", image))[0]


def find(docker: Docker, image: str, *conditions: str) -> list[str]:
    """Return all paths of the image that match the conditions of `find`."""
    command = [*FIND.split(), *conditions, "-print"]
    output = docker("run", "--rm", "--user=0", "--network=none", image, *command)
    return output.splitlines()


def test_size(docker: Docker, image: str, base: str) -> None:
    """The image is under 230 MB, on this base and on the official one."""
    whole, below = (inspected(docker, name)["Size"] for name in (image, base))
    assert whole < 230e6
    assert whole - below + OFFICIAL_BASE < 230e6


def test_user(docker: Docker, image: str) -> None:
    """The user is numeric and not root."""
    assert inspected(docker, image)["Config"]["User"] == "65532:65532"
    assert printed(docker, image, "id", "-u") == "65532"


def test_commands(docker: Docker, image: str) -> None:
    """The image declares its port, and its commands in exec form."""
    config = inspected(docker, image)["Config"]
    assert list(config["ExposedPorts"]) == ["8080/tcp"]
    assert config["Cmd"] == ["python", "-m", "function.serve"]
    assert not config.get("Entrypoint")
    assert config["Healthcheck"]["Test"][0] == "CMD"


def test_labels(docker: Docker, image: str, base: str) -> None:
    """The image has the OCI labels."""
    labels = inspected(docker, image)["Config"]["Labels"]
    found = {name.removeprefix("org.opencontainers.image."): text for name, text in labels.items()}
    for name, value in LABELS.items():
        assert found[name.lower()] == value
    assert found["title"] == "mentor-function"
    assert found["licenses"] == "Apache-2.0"
    assert found["base.name"] == base
    assert found["description"]


@pytest.mark.parametrize("program", ["pip", "pip3", "gcc", "cc", "make", "git", "curl", "wget"])
def test_programs(docker: Docker, image: str, program: str) -> None:
    """The image has no program that builds or downloads."""
    assert printed(docker, image, "sh", "-c", f"command -v {program} || echo none") == "none"


@pytest.mark.parametrize(
    "module",
    [
        *("pip", "ensurepip", "hatchling", "pytest", "tests", "dev"),
        *("flask", "jinja2", "werkzeug"),  # flask-swagger-ui is there for its files alone
    ],
)
def test_modules(docker: Docker, image: str, module: str) -> None:
    """The image has no module that builds or tests."""
    code = f"from importlib.util import find_spec; print(find_spec({module!r}))"
    assert printed(docker, image, "python", "-c", code) == "None"


def test_files(docker: Docker, image: str) -> None:
    """Of the repository, the image contains only the package and the probe."""
    library = printed(docker, image, "python", "-c", LIBRARY)
    assert library.startswith("/opt/venv/lib/")
    package = f"{library}/function"
    wanted = {
        f"{package}/{file.relative_to(ROOT / 'function')}"
        for file in (ROOT / "function").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    found = find(docker, image, "-path", f"{package}/*", "-type", "f", "!", "-name", "*.pyc")
    assert {*found} == {*wanted, f"{package}/schema.sql"}
    unwanted = ["-name", ".git", "-o", "-name", ".env*", "-o", "-name", "requirements"]
    assert find(docker, image, "(", *unwanted, ")") == []
    assert printed(docker, image, "ls", "/opt") == "probe.py\nvenv"


def test_permissions(docker: Docker, image: str) -> None:
    """All files belong to root, and the user can't change any."""
    assert find(docker, image, "-user", "65532") == []
    assert find(docker, image, "-path", "/opt*", "!", "-type", "l", "-perm", "/022") == []
