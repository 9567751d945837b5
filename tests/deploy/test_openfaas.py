"""stack.yaml says what faas-cli, OpenFaaS and the function understand, and no more."""

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
# What a Go program reads as a duration, and what Kubernetes takes for a quantity and a label.
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
    """Unlike faas-cli, which passes over what it doesn't know."""

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
    """What faas-cli makes of the file: https://github.com/drone/envsubst, as far as we need it."""
    found = re.sub(r"\$\{(\w+):-([^}]*)\}", lambda match: environ.get(match[1], match[2]), text)
    assert "$" not in found, "envsubst knows more than this, and reads comments too"
    return found


def function(text: str = STACK, **environ: str) -> Function:
    return Stack.model_validate(yaml.safe_load(substituted(text, **environ))).functions["mentor"]


def with_model() -> str:
    """The file with all that a model needs, which stands there as comments."""
    return re.sub(r"# (LLM_\w+: |- mentor-llm)", r"\1", STACK)


def files(text: str) -> set[str]:
    """The files in /var/openfaas/secrets: a comment says which keys each secret has."""
    listed = re.findall(r"^      - (mentor-[\w-]+) # (.*)$", text, re.MULTILINE)
    assert [name for name, _ in listed] == function(text).secrets
    return {key for _, keys in listed for key in keys.split(", ")}


def test_faas_cli_reads_all_of_it() -> None:
    mentor = function(IMAGE="ghcr.io/owner/mentor:0.1.0", PGPORT="6432")
    assert mentor.image == "ghcr.io/owner/mentor:0.1.0"
    assert mentor.environment["PGPORT"] == "6432"
    assert mentor.readonly_root_filesystem
    assert (ROOT / mentor.handler).samefile(ROOT)  # where the Dockerfile is


def test_openfaas_knows_the_labels_and_annotations() -> None:
    mentor = function()
    assert set(mentor.labels) == LABELS
    assert mentor.labels["com.openfaas.scale.zero"] == "true"
    assert DURATION.fullmatch(mentor.labels["com.openfaas.scale.zero-duration"])
    assert 0 < float(mentor.labels["com.openfaas.scale.target-proportion"]) <= 1
    assert set(mentor.annotations) < ANNOTATIONS
    numbers = [text for name, text in mentor.annotations.items() if not name.endswith("path")]
    assert all(text.isdecimal() for text in numbers)


def test_the_watchdogs_only_variable_leaves_the_function_its_time_to_end() -> None:
    environment = function().environment
    watchdogs = {name for name in environment if name == name.lower()}
    assert watchdogs == {"write_timeout"}
    takes = DRAIN_TIMEOUT + int(environment["SHUTDOWN_DELAY"])
    assert int(environment["write_timeout"].removesuffix("s")) > takes


def test_behind_a_watchdog_the_log_stays_json() -> None:
    """of-watchdog puts the date and the stream before each line unless prefix_logs is false."""
    readme = (ROOT / "deploy/openfaas/README.md").read_text(encoding="utf-8")
    section = readme.partition("## Behind of-watchdog")[2]
    assert "`prefix_logs=false`" in section


def test_the_readme_names_each_label_that_the_community_edition_refuses() -> None:
    """validateScalingLabels in pkg/handlers/validate.go of openfaas/faas-netes."""
    readme = (ROOT / "deploy/openfaas/README.md").read_text(encoding="utf-8")
    refused = {"zero", "zero-duration", "type", "target", "max"}
    labels = {name.removeprefix("com.openfaas.") for name in function().labels}
    assert int(function().labels["com.openfaas.scale.max"]) > 5
    assert {f"scale.{name}" for name in refused} <= labels
    assert [name for name in refused if f"`scale.{name}`" not in readme] == []


def test_it_asks_for_as_much_as_on_knative() -> None:
    text = (ROOT / "deploy/knative/base/service.yaml").read_text()
    [container] = yaml.safe_load(text)["spec"]["template"]["spec"]["containers"]
    ours = function()
    assert ours.requests.memory == container["resources"]["requests"]["memory"]
    assert ours.limits.memory == container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("text", [STACK, with_model()], ids=["stub", "model"])
def test_the_function_takes_the_environment_and_finds_its_files_in_the_secrets(
    text: str, tmp_path: Path
) -> None:
    for name in files(text):
        (tmp_path / name).write_text("value")
    environment = moved(function(text).environment, tmp_path)
    settings = load(environment)
    assert settings.postgres.sslmode == "verify-full"
    paths = {Path(value) for value in environment.values() if value.startswith(str(tmp_path))}
    used = {path.name for path in paths if path.is_file()}
    assert paths == {tmp_path, *(tmp_path / name for name in used)}  # no path leads nowhere
    assert used | {"username", "password"} == files(text)
    assert (settings.llm is None) == (text == STACK)


def moved(environment: dict[str, str], folder: Path) -> dict[str, str]:
    return {name: value.replace(SECRETS, str(folder)) for name, value in environment.items()}


def test_it_runs_on_that_environment_with_the_user_from_the_secret(
    feedback_database: str, tmp_path: Path
) -> None:
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
