"""deploy/flink: a FlinkDeployment that the operator accepts, and an image that has what it runs."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.schemas import flink_pods, problems
from tests.instance import ROOT

FOLDER = ROOT / "deploy/flink"
VARIABLE = re.compile(r"\$\{(\w+)\}")


@pytest.fixture(scope="module")
def deployment() -> Any:
    return yaml.safe_load((FOLDER / "flinkdeployment.yaml").read_text(encoding="utf-8"))


def script_container(deployment: Any) -> Any:
    [container] = deployment["spec"]["jobManager"]["podTemplate"]["spec"]["initContainers"]
    return container


def test_schema(deployment: Any) -> None:
    """The deployment and its pods match their schemas."""
    assert problems(deployment) == []


@pytest.mark.parametrize(("field", "value"), [("flinkVersion", "v9_9"), ("replicas", 2)])
def test_schema_violation(deployment: Any, field: str, value: object) -> None:
    """The schema finds what the operator refuses or ignores."""
    assert problems({**deployment, "spec": {**deployment["spec"], field: value}})


def test_pod_violation(deployment: Any) -> None:
    """Fields that a pod does not have are found, too."""
    spec = deployment["spec"]
    template = {"spec": {**spec["podTemplate"]["spec"], "hostname": 5}}
    assert problems({**deployment, "spec": {**spec, "podTemplate": template}})


def test_variables(deployment: Any) -> None:
    """The container that fills in the script has a value for each variable of its files."""
    container = script_container(deployment)
    names = re.findall(r"/opt/mentor/([a-z]+\.sql)", container["command"][-1])
    texts = [(FOLDER / name).read_text(encoding="utf-8") for name in names]
    assert set(VARIABLE.findall("\n".join(texts))) == {it["name"] for it in container["env"]}


def test_volumes(deployment: Any) -> None:
    """Each pod has the state, and what only it needs; the password is in no script."""
    manager, tasks = [pod["spec"] for pod in flink_pods(deployment)]
    assert mounted(manager) == {"/state": "persistentVolumeClaim", "/script": "emptyDir"}
    assert mounted(tasks) == {"/state": "persistentVolumeClaim", "/secret": "secret"}


def mounted(pod: Any) -> dict[str, str]:
    """The kind of the volume at each path of the main container."""
    kinds = {volume["name"]: [*(volume.keys() - {"name"})] for volume in pod["volumes"]}
    [container] = pod["containers"]
    return {it["mountPath"]: ", ".join(kinds[it["name"]]) for it in container["volumeMounts"]}


def test_build_context() -> None:
    """The build context is what the Dockerfiles copy."""
    copied = set()
    for path in ("Dockerfile", "deploy/flink/Dockerfile", "deploy/insights/Dockerfile"):
        text = (ROOT / path).read_text(encoding="utf-8")
        for names in re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", text, flags=re.MULTILINE):
            copied |= {*names.split()}
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8")
    kept = {line[1:] for line in ignored.splitlines() if line.startswith("!")}
    assert {name for name in copied if not any(path.startswith(name) for path in kept)} == set()
    assert {path for path in kept if not any(path.startswith(name) for name in copied)} == set()


def test_flink_versions() -> None:
    """The image has the Flink that the tests run, and the deployment says so."""
    lock = (ROOT / "requirements/flink.txt").read_text(encoding="utf-8")
    found = re.search(r"^apache-flink-libraries==((\d+)\.(\d+)\.\d+)", lock, flags=re.MULTILINE)
    assert found
    assert f"flink:{found[1]}-java17" in (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    assert f"flink-sql-gateway-{found[1]}.jar" in _jars()
    deployment = (FOLDER / "flinkdeployment.yaml").read_text(encoding="utf-8")
    assert f"flinkVersion: v{found[2]}_{found[3]}" in deployment


def _jars() -> set[str]:
    lines = Path(ROOT / "requirements/flink-jars.txt").read_text(encoding="utf-8").splitlines()
    return {line.split(" ")[0].rpartition("/")[2] for line in lines}
