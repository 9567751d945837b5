"""func.yaml, as Knative's func reads it."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft4Validator, FormatChecker

from function.settings import load
from tests.deploy.configuration import Recorded
from tests.deploy.manifests import container, find, plain
from tests.deploy.schemas import read
from tests.instance import ROOT, running
from tests.setup.lock import pinned

# knative/func, pkg/functions/function_envs.go and pkg/deployer: `{{ secret:NAME:KEY }}`.
SECRET = re.compile(r"{{\s*secret:([-.\w]+):([-.\w]+)\s*}}")


@pytest.fixture(scope="module")
def func() -> Any:
    document = yaml.safe_load((ROOT / "func.yaml").read_text(encoding="utf-8"))
    document["created"] = document["created"].isoformat()  # the schema describes it as text
    return document


@pytest.fixture(scope="module")
def envs(func: Any) -> dict[str, str]:
    return {env["name"]: env["value"] for env in func["run"]["envs"]}


def complaints(document: object) -> list[str]:
    validator = Draft4Validator(read("func-0.36.0.schema.json"), format_checker=FormatChecker())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def test_schema(func: Any) -> None:
    """func.yaml matches func's schema."""
    assert complaints(func) == []
    assert func["specVersion"] == "0.36.0"


@pytest.mark.parametrize("change", [{"template": "http"}, {"deploy": {"option": {}}}])
def test_schema_violation(func: Any, change: dict[str, object]) -> None:
    """The schema finds deliberate mistakes."""
    assert complaints({**func, **change})


def test_no_annotations(func: Any) -> None:
    """There are no annotations: func copies them to the Service, where Knative refuses some."""
    assert "annotations" not in func["deploy"]  # func puts them on the Service, too


def test_deploy_command() -> None:
    """The header deploys by digest without a push, which func's cmd/deploy.go would refuse."""
    header = (ROOT / "func.yaml").read_text(encoding="utf-8").split("specVersion:")[0]
    [command] = re.findall(r"^#     (func deploy .*(?<=\\)\n#       .*)$", header, re.MULTILINE)
    options = command.replace("\\\n#", "").split()
    assert {"--build=false", "--push=false"} < {*options}
    assert options[options.index("--image") + 1].endswith("@sha256:...")


def test_visibility(func: Any) -> None:
    """The Service is private, by a label that func's pkg/deployer/common.go puts on it."""
    service = find(plain("base/service.yaml"), "Service")
    labels = {label["key"]: label["value"] for label in func["deploy"]["labels"]}
    name = "networking.knative.dev/visibility"
    assert labels == {name: service["metadata"]["labels"][name]} == {name: "cluster-local"}


def test_missing_settings(func: Any) -> None:
    """The comments name each setting of the Service that func can't make."""
    text = (ROOT / "func.yaml").read_text(encoding="utf-8")
    template = find(plain("base/service.yaml"), "Service")["spec"]["template"]
    lacking = {name.partition("/")[2] for name in template["metadata"]["annotations"]}
    lacking -= {"min-scale", "max-scale", "metric", "target", "target-utilization-percentage"}
    lacking |= {name for name in template["spec"] if name.endswith("Seconds")}
    assert lacking == {
        "window",
        "scale-down-delay",
        "scale-to-zero-pod-retention-period",
        "initial-scale",
        "timeoutSeconds",
        "responseStartTimeoutSeconds",
    }
    assert [name for name in sorted(lacking) if f"{name} " not in text] == []


def test_scaling(func: Any) -> None:
    """Scaling and resources are those of the manifests."""
    service = find(plain("base/service.yaml"), "Service")
    template = service["spec"]["template"]
    name = "autoscaling.knative.dev/"
    scale, resources = (func["deploy"]["options"][part] for part in ("scale", "resources"))
    assert {
        name + "min-scale": str(scale["min"]),
        name + "max-scale": str(scale["max"]),
        name + "metric": scale["metric"],
        name + "target": str(scale["target"]),
        name + "target-utilization-percentage": str(scale["utilization"]),
    }.items() <= template["metadata"]["annotations"].items()
    limits = {**resources["limits"]}
    assert limits.pop("concurrency") == template["spec"]["containerConcurrency"]
    assert {**resources, "limits": limits} == container(service)["resources"]


def test_deployed(envs: Mapping[str, str]) -> None:
    """With the example's secrets, the variables are a valid configuration."""
    example = {
        manifest["metadata"]["name"]: manifest["stringData"]
        for manifest in plain("secrets.example.yaml")
        if manifest["kind"] == "Secret"
    }
    resolved = Recorded(
        {n: SECRET.sub(lambda found: example[found[1]][found[2]], v) for n, v in envs.items()}
    )
    settings = load(resolved)
    assert settings.postgres.user == example["mentor-database"]["username"]
    assert settings.postgres.password == example["mentor-database"]["password"]
    assert set(envs) <= resolved.read


def test_func_run(
    func: Any, envs: Mapping[str, str], feedback_database: str, tmp_path: Path
) -> None:
    """`func run`, which does not replace `{{ secret: }}`, needs only DATABASE_URL."""
    url = f"{feedback_database}?sslmode=disable"
    with running(tmp_path / "log", url, "knative", **envs) as instance:
        instance.wait_until_ready(probe=func["deploy"]["healthEndpoints"]["readiness"])
        assert instance.get(func["deploy"]["healthEndpoints"]["liveness"]).status == 200
        assert instance.post().status == 200


@pytest.mark.deploy
def test_install(tmp_path: Path) -> None:
    """func's scaffolding can install the folder with pip."""
    locked = {**pinned("func.txt"), **pinned("build.txt")}
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("\n".join(f"{name}=={version}" for name, version in locked.items()))
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = str(tmp_path / "venv/bin/python")
    install = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "func-python",
        f"function @ {ROOT.as_uri()}",
    ]
    subprocess.run(install, env={**os.environ, "PIP_CONSTRAINT": str(constraints)}, check=True)
    program = "import function, func_python.http; print(function.__file__, function.new)"
    done = subprocess.run(
        [python, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(tmp_path) in done.stdout
