"""The dev container has the programs that `make` needs besides Python."""

import json
import re

import yaml

from tests.instance import ROOT

TEXT = (ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8")
CONTAINER = json.loads(re.sub(r"^\s*//.*$", "", TEXT, flags=re.MULTILINE))
FEATURES = {name.rpartition("/")[2]: options for name, options in CONTAINER["features"].items()}


def test_features() -> None:
    """It has Docker, Go and shellcheck."""
    assert FEATURES.keys() == {"docker-in-docker:3", "go:1"}
    assert "shellcheck" in CONTAINER["postCreateCommand"]


def test_docker() -> None:
    """It has Docker's own packages, because Moby has none for Debian trixie."""
    assert CONTAINER["image"].endswith("-trixie")
    assert FEATURES["docker-in-docker:3"] == {"moby": False}


def test_go() -> None:
    """Its version of Go is that of the workflows."""
    ci = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    [setup] = [step for step in ci["jobs"]["deploy"]["steps"] if "setup-go" in str(step)]
    assert FEATURES["go:1"] == {"version": setup["with"]["go-version"]}


def test_make_targets() -> None:
    """The `make` targets in its comments exist."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = re.findall(r"`make ([a-z-]+)`", TEXT)
    assert len(named) == 7
    assert {*named} <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
