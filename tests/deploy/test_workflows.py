"""The workflows, checked by actionlint and zizmor, and compared with the documents."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.tools import tool
from tests.image.docker import LACKING
from tests.instance import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
CI = yaml.safe_load((GITHUB / "workflows/ci.yml").read_text())
RELEASE = yaml.safe_load((GITHUB / "workflows/release.yml").read_text())
README = (ROOT / "README.md").read_text()
CONTAINERS = (ROOT / "docs/containers.md").read_text()
[DATABASE] = set(re.findall(r"DATABASE_URL=postgresql://postgres:\S+?(?=`|\s)", CONTAINERS))


def jobs() -> list[dict[str, Any]]:
    found = [yaml.safe_load(path.read_text())["jobs"].values() for path in WORKFLOWS]
    return [job for group in found for job in group]


def steps() -> list[dict[str, Any]]:
    return [step for job in jobs() for step in job.get("steps", [])]


def runs(job: str) -> list[str]:
    """Return the commands of a job of CI, one per step."""
    return [step["run"] for step in CI["jobs"][job]["steps"] if "run" in step]


def commands() -> str:
    return "\n".join(step["run"] for step in steps() if "run" in step)


@pytest.mark.deploy
def test_actionlint() -> None:
    """actionlint and shellcheck find nothing."""
    assert shutil.which("shellcheck"), "actionlint checks the scripts by it: apt install shellcheck"
    command = [tool("actionlint"), *WORKFLOWS]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")


def test_zizmor() -> None:
    """zizmor's strictest mode finds nothing."""
    zizmor = Path(sys.executable).with_name("zizmor")
    checked = subprocess.run(
        [zizmor, "--offline", "--strict-collection", "--persona=auditor", GITHUB],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "No findings to report" in checked.stdout


def test_pinned_actions() -> None:
    """Each action is pinned by its hash, to the same version everywhere."""
    text = "\n".join(path.read_text() for path in WORKFLOWS)
    uses = [line.strip() for line in text.splitlines() if re.match(r"\s*(- )?uses:", line)]
    pinned = [re.search(r"uses: ([\w/-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)$", use) for use in uses]
    own = [use for use, pin in zip(uses, pinned, strict=True) if not pin]
    assert [use.split(" #")[0] for use in own] == ["uses: ./.github/workflows/ci.yml"]
    pins = {(pin[1], pin[2]) for pin in pinned if pin}
    assert len({name for name, _ in pins}) == len(pins) > 5


def test_targets() -> None:
    """Each `make` target and Python module that a workflow runs exists."""
    targets = set(re.findall(r"\bmake ([a-z-]+)", commands()))
    assert {"run", "test", "lint", "test-kafka", "test-browser"} < targets
    assert {"test-debian", "test-deploy", "test-image"} < targets
    assert targets <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for module in re.findall(r"python3? -m ([\w.]+)", commands()):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file()


def test_pythons() -> None:
    """The README's commands run on every supported Python."""
    matrix = CI["jobs"]["readme"]["strategy"]["matrix"]
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    [oldest] = re.findall(r"^>=3\.(\d+)$", required)
    pythons = matrix["python"]
    assert pythons == [f"3.{minor}" for minor in range(int(oldest), int(oldest) + len(pythons))]
    assert pythons[-1] == "3.14"
    assert f"You need Python {pythons[0]} or later" in README
    on_macos = [extra["python"] for extra in matrix["include"] if "macos" in extra["os"]]
    assert on_macos == [pythons[0], pythons[-1]]


def test_readme_request() -> None:
    """CI sends the README's request."""
    command = re.compile(r"^curl (\S+) \\\n +-d ('.*?')$", re.MULTILINE)
    shown = command.findall(README)[0]
    for job in ("readme", "compose"):
        [script] = [run for run in runs(job) if "curl" in run]
        for words in shown:
            assert words in script


def test_compose() -> None:
    """CI runs compose.yaml, and reads the event from Kafka."""
    scripts = runs("compose")
    assert scripts[0] == "make up"
    assert scripts[-1] == "make down ARGS=--volumes"
    [consumer] = [run for run in scripts if "kafka-console-consumer.sh" in run]
    assert consumer.rpartition("| ")[2].startswith("grep ")  # its exit code is the command's
    assert f"make test {DATABASE}" in scripts


def test_jobs() -> None:
    """Each job has a fixed runner, a timeout and permissions."""
    for path in WORKFLOWS:
        assert yaml.safe_load(path.read_text())["permissions"] == {}
        assert "-latest" not in path.read_text()  # GitHub changes what it means
    for job in jobs():
        assert job["permissions"]
        if "uses" not in job:
            assert job["timeout-minutes"] <= 60


def test_release_build() -> None:
    """The release builds the Dockerfile with its arguments, and the chart."""
    [build] = [step["with"] for step in steps() if "build-push" in step.get("uses", "")]
    given = re.findall(r"^(\w+)=", build["build-args"], re.MULTILINE)
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert given == re.findall(r"^ARG ((?!BASE)\w+)", dockerfile, re.MULTILINE)
    [chart] = re.findall(r" package (\S+) ", commands())
    assert (ROOT / chart / "Chart.yaml").is_file()


def test_base() -> None:
    """The base image has a full name, also in the hint of tests/image."""
    [base] = re.findall(r"^ARG BASE=(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert base.startswith("docker.io/library/python:")
    assert f"BASE={base} make test-image" in LACKING


def test_architectures() -> None:
    """The release has an image per architecture, with SBOM and provenance."""
    image = RELEASE["jobs"]["image"]
    assert {run["arch"]: run["os"] for run in image["strategy"]["matrix"]["include"]} == {
        "amd64": "ubuntu-24.04",
        "arm64": "ubuntu-24.04-arm",
    }
    [build] = [step["with"] for step in image["steps"] if "build-push" in step.get("uses", "")]
    assert build["platforms"] == "linux/${{ matrix.arch }}"
    assert (build["sbom"], build["provenance"]) == (True, "mode=max")


def test_release_needs_tests() -> None:
    """Only a tested commit is released."""
    released = RELEASE["jobs"]
    assert released["test"]["uses"] == "./.github/workflows/ci.yml"
    assert "test" in released["image"]["needs"]
    assert "image" in released["publish"]["needs"]
    assert "publish" in released["release"]["needs"]


def test_image_tag() -> None:
    """An image has no tag `latest`: a fix of an old version would move it back."""
    assert re.findall(r"--tag (\S+)", commands()) == ['"$IMAGE:$VERSION"']


def test_ci_script() -> None:
    """CI runs all targets of .ci/run."""
    script = (ROOT / ".ci/run").read_text()
    ours = set(re.findall(r"^ *make ([\w-]+)$", script, re.MULTILINE))
    assert {"test", "lint", "test-kafka", "test-image"} < ours
    theirs = {
        target for job in CI["jobs"] for target in re.findall(r"make ([\w-]+)", str(runs(job)))
    }
    assert ours <= theirs


def test_version() -> None:
    """All files name the same version."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((ROOT / "deploy/helm/Chart.yaml").read_text())
    overlay = ROOT / "deploy/knative/overlays/production/kustomization.yaml"
    [image] = yaml.safe_load(overlay.read_text())["images"]
    stack = re.findall(r"\$\{IMAGE:-mentor-function:(.+)\}", (ROOT / "stack.yaml").read_text())
    assert {chart["version"], chart["appVersion"], image["newTag"], *stack} == {version}
    assert len(stack) == 1
    assert version not in (ROOT / "deploy/openfaas/README.md").read_text()


MANIFESTS = {
    "docker": "Dockerfile",
    "docker-compose": "compose.yaml",
    "github-actions": ".github/workflows/ci.yml",
}


def test_locks() -> None:
    """locks.yml makes every lock again, and asks for CI."""
    job = yaml.safe_load((GITHUB / "workflows/locks.yml").read_text())["jobs"]["update"]
    scripts = "\n".join(step["run"] for step in job["steps"] if "run" in step)
    assert "make lock ARGS=\"--upgrade --exclude-newer '7 days'\"" in scripts
    assert "gh workflow run ci.yml" in scripts
    assert "workflow_dispatch" in CI[True]  # YAML 1.1 reads `on` as true
    made = re.findall(r"--output-file requirements/(\S+)", (ROOT / "Makefile").read_text())
    locks = {path.name for path in (ROOT / "requirements").glob("*.txt")}
    assert set(made) == {name for name in locks if not name.endswith(("-jars.txt", "tools.txt"))}


def test_weekly() -> None:
    """CI runs weekly, and no job restores a cache of Python's packages."""
    assert CI[True]["schedule"]
    for step in steps():
        if "setup-python" in step.get("uses", ""):
            assert "cache" not in step["with"]


def test_dependabot() -> None:
    """Dependabot finds each kind of file, and opens one pull request per kind."""
    updates = yaml.safe_load((GITHUB / "dependabot.yml").read_text())["updates"]
    assert [update["package-ecosystem"] for update in updates] == list(MANIFESTS)
    for update in updates:
        assert update["directory"] == "/"
        assert (ROOT / MANIFESTS[update["package-ecosystem"]]).is_file()
        assert [group["patterns"] for group in update["groups"].values()] == [["*"]]


def test_dependabot_ignores() -> None:
    """Dependabot ignores images whose versions the tests pin too."""
    updates = yaml.safe_load((GITHUB / "dependabot.yml").read_text())["updates"]
    [images] = [one for one in updates if one["package-ecosystem"] == "docker-compose"]
    ignored = {entry["dependency-name"] for entry in images["ignore"]}
    assert {"debezium/server", "apache/kafka", "grafana/k6"} <= ignored
    compose = (ROOT / "compose.yaml").read_text()
    for name in ignored:
        assert f" {name}:" in compose or f"/{name}:" in compose
