"""stack.yaml contains only settings that faas-cli, OpenFaaS and the function know."""

import re
from pathlib import Path
from typing import Annotated, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from function.settings import DRAIN_TIMEOUT, load
from tests.instance import ROOT, running

STACK = (ROOT / "stack.yaml").read_text()
SECRETS = "/var/openfaas/secrets"
# Go's durations, and Kubernetes' quantities and labels.
DURATION = re.compile(r"(\d+(ms|s|m|h))+")
QUANTITY = r"^\d+(m|Mi|Gi)?$"
Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$")]

# https://docs.openfaas.com/architecture/autoscaling and https://docs.openfaas.com/reference/workloads
LABELS = {
    f"com.openfaas.scale.{name}"
    for name in ("zero", "zero-duration", "min", "max", "type", "target", "target-proportion")
}
PROBE = ("path", "initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold")
ANNOTATIONS = {f"com.openfaas.{kind}.http.{name}" for kind in ("health", "ready") for name in PROBE}


class Strict(BaseModel):
    """Refuses unknown fields, which faas-cli ignores."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Resources(Strict):
    memory: str = Field(pattern=QUANTITY)
    cpu: str = Field(default="", pattern=QUANTITY)


class Function(Strict):
    """The fields of `Function` that we use, in stack/schema.go of openfaas/go-sdk."""

    lang: Literal["dockerfile"]
    handler: str
    image: str
    environment: dict[str, str]
    secrets: list[str]
    labels: dict[str, Label]
    annotations: dict[str, str]
    requests: Resources
    limits: Resources
    readonly_root_filesystem: bool


class Provider(Strict):
    name: Literal["openfaas"]
    gateway: str


class Stack(Strict):
    version: Literal["1.0"]
    provider: Provider
    functions: dict[str, Function]


def substituted(text: str, **environ: str) -> str:
    """Substitute variables like faas-cli, as far as needed: https://github.com/drone/envsubst"""
    found = re.sub(r"\$\{(\w+):-([^}]*)\}", lambda match: environ.get(match[1], match[2]), text)
    assert "$" not in found, "envsubst supports more than this, also in comments"
    return found


def function(text: str = STACK, **environ: str) -> Function:
    return Stack.model_validate(yaml.safe_load(substituted(text, **environ))).functions["mentor"]


def with_model() -> str:
    """Return the file with the commented settings for a model."""
    return re.sub(r"# (LLM_\w+: |- mentor-llm)", r"\1", STACK)


def files(text: str) -> set[str]:
    """Return the files in /var/openfaas/secrets; comments list the keys of each secret."""
    listed = re.findall(r"^      - (mentor-[\w-]+) # (.*)$", text, re.MULTILINE)
    assert [name for name, _ in listed] == function(text).secrets
    return {key for _, keys in listed for key in keys.split(", ")}


def test_schema() -> None:
    """faas-cli reads all fields."""
    mentor = function(IMAGE="ghcr.io/owner/mentor:0.1.0", PGPORT="6432")
    assert mentor.image == "ghcr.io/owner/mentor:0.1.0"
    assert mentor.environment["PGPORT"] == "6432"
    assert mentor.readonly_root_filesystem
    assert (ROOT / mentor.handler).samefile(ROOT)  # where the Dockerfile is


def test_labels() -> None:
    """OpenFaaS knows all labels and annotations."""
    mentor = function()
    assert set(mentor.labels) == LABELS
    assert mentor.labels["com.openfaas.scale.zero"] == "true"
    assert DURATION.fullmatch(mentor.labels["com.openfaas.scale.zero-duration"])
    assert 0 < float(mentor.labels["com.openfaas.scale.target-proportion"]) <= 1
    assert set(mentor.annotations) < ANNOTATIONS
    numbers = [text for name, text in mentor.annotations.items() if not name.endswith("path")]
    assert all(text.isdecimal() for text in numbers)


def test_write_timeout() -> None:
    """The watchdog's timeout is longer than the function takes to stop."""
    environment = function().environment
    watchdogs = {name for name in environment if name == name.lower()}
    assert watchdogs == {"write_timeout"}
    takes = DRAIN_TIMEOUT + int(environment["SHUTDOWN_DELAY"])
    assert int(environment["write_timeout"].removesuffix("s")) > takes


def test_log_prefix() -> None:
    """The guide sets prefix_logs=false, without which of-watchdog breaks the JSON log."""
    readme = (ROOT / "deploy/openfaas/README.md").read_text(encoding="utf-8")
    section = readme.partition("## Behind of-watchdog")[2]
    assert "`prefix_logs=false`" in section


def test_community_edition() -> None:
    """The guide names each label that faas-netes' pkg/handlers/validate.go refuses."""
    readme = (ROOT / "deploy/openfaas/README.md").read_text(encoding="utf-8")
    refused = {"zero", "zero-duration", "type", "target", "max"}
    labels = {name.removeprefix("com.openfaas.") for name in function().labels}
    assert int(function().labels["com.openfaas.scale.max"]) > 5
    assert {f"scale.{name}" for name in refused} <= labels
    assert [name for name in refused if f"`scale.{name}`" not in readme] == []


def test_memory() -> None:
    """The memory is the same as on Knative."""
    text = (ROOT / "deploy/knative/base/service.yaml").read_text()
    [container] = yaml.safe_load(text)["spec"]["template"]["spec"]["containers"]
    ours = function()
    assert ours.requests.memory == container["resources"]["requests"]["memory"]
    assert ours.limits.memory == container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("text", [STACK, with_model()], ids=["stub", "model"])
def test_configuration(text: str, tmp_path: Path) -> None:
    """The configuration is valid, and its files are keys of the secrets."""
    for name in files(text):
        (tmp_path / name).write_text("value")
    environment = moved(function(text).environment, tmp_path)
    settings = load(environment)
    assert settings.postgres.sslmode == "verify-full"
    paths = {Path(value) for value in environment.values() if value.startswith(str(tmp_path))}
    used = {path.name for path in paths if path.is_file()}
    assert paths == {tmp_path, *(tmp_path / name for name in used)}  # each path exists
    assert used | {"username", "password"} == files(text)
    assert (settings.llm is None) == (text == STACK)


def moved(environment: dict[str, str], folder: Path) -> dict[str, str]:
    return {name: value.replace(SECRETS, str(folder)) for name, value in environment.items()}


def test_run(feedback_database: str, tmp_path: Path) -> None:
    """The function runs with that environment, and its probes answer."""
    server = load({"DATABASE_URL": feedback_database}).postgres
    (tmp_path / "username").write_text(server.user or "")
    (tmp_path / "password").write_text(server.password or "")
    [(host, port)] = server.hosts
    ours = {
        "PGHOST": host,
        "PGPORT": str(port),
        "PGDATABASE": server.database or "",
        "PGSSLMODE": "disable",  # this server has no certificate
        "PGSSLROOTCERT": "",
    }
    environment = {**moved(function().environment, tmp_path), **ours}
    with running(tmp_path / "log", "", **environment) as instance:
        probes = function().annotations
        instance.wait_until_ready(probe=probes["com.openfaas.ready.http.path"])
        assert instance.get(probes["com.openfaas.health.http.path"]).status == 200
        assert instance.post().status == 200
