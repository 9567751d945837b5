"""The dev container has what `make`'s targets need beyond Python."""

import json
import re

import yaml

from tests.instance import ROOT

TEXT = (ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8")
CONTAINER = json.loads(re.sub(r"^\s*//.*$", "", TEXT, flags=re.MULTILINE))
FEATURES = {name.rpartition("/")[2]: options for name, options in CONTAINER["features"].items()}


def test_it_has_docker_and_go_each_of_a_major_version() -> None:
    assert FEATURES.keys() == {"docker-in-docker:3", "go:1"}
    assert "shellcheck" in CONTAINER["postCreateCommand"]


def test_docker_is_dockers_own_where_debian_is_too_new_for_moby() -> None:
    assert CONTAINER["image"].endswith("-trixie")
    assert FEATURES["docker-in-docker:3"] == {"moby": False}


def test_go_is_that_of_the_workflows() -> None:
    ci = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    [setup] = [step for step in ci["jobs"]["deploy"]["steps"] if "setup-go" in str(step)]
    assert FEATURES["go:1"] == {"version": setup["with"]["go-version"]}


def test_the_commands_that_it_names_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = re.findall(r"`make ([a-z-]+)`", TEXT)
    assert len(named) == 7
    assert {*named} <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
