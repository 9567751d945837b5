"""What is in the image, and what is not."""

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
OFFICIAL_BASE = 130_000_000  # bytes; what python:slim takes, generously


def inspected(docker: Docker, image: str) -> Any:
    return json.loads(docker("image", "inspect", image))[0]


def find(docker: Docker, image: str, *conditions: str) -> list[str]:
    """All paths of the image that meet the conditions of `find`."""
    command = [*FIND.split(), *conditions, "-print"]
    output = docker("run", "--rm", "--user=0", "--network=none", image, *command)
    return output.splitlines()


def test_it_is_under_200_mb_on_this_base_and_on_the_official_one(
    docker: Docker, image: str, base: str
) -> None:
    whole, below = (inspected(docker, name)["Size"] for name in (image, base))
    assert whole < 200e6
    assert whole - below + OFFICIAL_BASE < 200e6


def test_its_user_is_a_number_and_not_root(docker: Docker, image: str) -> None:
    assert inspected(docker, image)["Config"]["User"] == "65532:65532"
    assert printed(docker, image, "id", "-u") == "65532"


def test_it_names_its_port_and_its_commands_in_exec_form(docker: Docker, image: str) -> None:
    config = inspected(docker, image)["Config"]
    assert list(config["ExposedPorts"]) == ["8080/tcp"]
    assert config["Cmd"] == ["python", "-m", "function.serve"]
    assert not config.get("Entrypoint")
    assert config["Healthcheck"]["Test"][0] == "CMD"


def test_its_labels_are_those_of_oci(docker: Docker, image: str, base: str) -> None:
    labels = inspected(docker, image)["Config"]["Labels"]
    found = {name.removeprefix("org.opencontainers.image."): text for name, text in labels.items()}
    for name, value in LABELS.items():
        assert found[name.lower()] == value
    assert found["title"] == "mentor-function"
    assert found["licenses"] == "Apache-2.0"
    assert found["base.name"] == base
    assert found["description"]


@pytest.mark.parametrize("program", ["pip", "pip3", "gcc", "cc", "make", "git", "curl", "wget"])
def test_it_has_no_program_to_build_or_to_fetch_with(
    docker: Docker, image: str, program: str
) -> None:
    assert printed(docker, image, "sh", "-c", f"command -v {program} || echo none") == "none"


@pytest.mark.parametrize(
    "module",
    [
        *("pip", "ensurepip", "hatchling", "pytest", "tests", "dev"),
        *("flask", "jinja2", "werkzeug"),  # flask-swagger-ui is there for its files alone
    ],
)
def test_it_has_no_module_to_build_or_to_test_with(docker: Docker, image: str, module: str) -> None:
    code = f"from importlib.util import find_spec; print(find_spec({module!r}))"
    assert printed(docker, image, "python", "-c", code) == "None"


def test_of_the_repository_it_has_the_package_and_the_probe_alone(
    docker: Docker, image: str
) -> None:
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


def test_it_belongs_to_root_and_its_user_can_change_nothing(docker: Docker, image: str) -> None:
    assert find(docker, image, "-user", "65532") == []
    assert find(docker, image, "-path", "/opt*", "!", "-type", "l", "-perm", "/022") == []
