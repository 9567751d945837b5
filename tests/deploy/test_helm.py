"""The Helm chart renders the same objects as kustomize."""

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from dev.manifests import CHART, KNATIVE, KUBERNETES, PRODUCTION, RenderError, templated
from dev.tools import tool
from tests.deploy import schemas
from tests.deploy.configuration import settings_of
from tests.deploy.manifests import (
    Manifest,
    container,
    environment,
    find,
    parse,
    plain,
    pod,
    with_component,
    without_hash,
)
from tests.deploy.schemas import problems

deploy = pytest.mark.deploy
LOCAL = CHART / "examples/local.yaml"
OF_HELM = {"helm.sh/chart", "app.kubernetes.io/managed-by", "app.kubernetes.io/version"}


def rendered(*settings: str) -> list[Manifest]:
    """Render the chart with the values of its example and these settings, as for --set."""
    options = [f"--set={setting}" for setting in settings]
    return parse(templated("--values", PRODUCTION, *options))


def test_kubernetes_version() -> None:
    """The chart, the guide and the tests name the same oldest Kubernetes."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    readme = (KNATIVE / "README.md").read_text(encoding="utf-8")
    oldest = schemas.KUBERNETES[0]
    assert f"{oldest}.0" == KUBERNETES
    assert chart["kubeVersion"] == f">={KUBERNETES}-0"
    assert re.findall(r"Kubernetes (1\.\d+)", readme) == [oldest]


@deploy
@pytest.mark.parametrize("values", [PRODUCTION, LOCAL], ids=lambda path: path.stem)
def test_lint(values: Path) -> None:
    """`helm lint --strict` finds nothing."""
    command = f"lint --strict --kube-version={KUBERNETES} {CHART} --values={values}"
    done = subprocess.run(
        [tool("helm"), *command.split()], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


@deploy
@pytest.mark.parametrize(("overlay", "values"), [("production", PRODUCTION), ("local", LOCAL)])
def test_same_as_kustomize(overlay: str, values: Path, request: pytest.FixtureRequest) -> None:
    """The chart renders the same objects as each overlay."""
    from_chart = parse(templated("--values", values))
    assert comparable(from_chart) == comparable(request.getfixturevalue(overlay))


def comparable(manifests: Sequence[Manifest]) -> dict[str, Manifest]:
    """Return the objects by kind and name, without Helm's own labels, variables sorted."""
    found = {}
    for manifest in json.loads(json.dumps(manifests)):
        metadata = manifest["metadata"]
        name = metadata["name"] = without_hash(manifest)
        metadata.pop("annotations", None)
        metadata["labels"] = {n: v for n, v in metadata["labels"].items() if n not in OF_HELM}
        if manifest["kind"] in {"Service", "Job"}:
            inside = container(manifest)
            inside["env"] = sorted(inside.get("env", []), key=str)
            for source in inside.get("envFrom", []):
                hashed = source["configMapRef"]["name"]
                source["configMapRef"]["name"] = hashed.rpartition("-")[0]
        found[f"{manifest['kind']} {name}"] = manifest
    return found


@deploy
@pytest.mark.parametrize(
    "settings",
    [
        ["llm.provider=stub"],
        ["llm.provider=openai", "llm.secret=", "llm.baseUrl=http://model.models:8000/v1"],
        [
            "image.digest=sha256:" + 64 * "0",
            "image.pullSecrets={registry}",
            "migrate.enabled=false",
        ],
        ["networkPolicy.enabled=false", "trigger.enabled=true", "env.DOCS=off"],
        ["migrate.host=", "migrate.port=null", "database.port=5433", "database.sslmode=require"],
    ],
)
def test_other_values(settings: list[str], tmp_path: Path) -> None:
    """With other values, the objects and the configuration are valid."""
    manifests = rendered(*settings)
    assert [found for manifest in manifests for found in problems(manifest)] == []
    settings_of(environment(manifests, "Service", "mentor"), tmp_path)
    if "migrate.enabled=false" not in settings:
        settings_of(environment(manifests, "Job", "mentor-migrate"), tmp_path)


@deploy
def test_job(chart: list[Manifest]) -> None:
    """The job, which runs before the release, needs none of its objects."""
    made = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in chart}
    job = find(chart, "Job", "mentor-migrate")
    assert hook(job) == "pre-install,pre-upgrade"
    assert "serviceAccountName" not in pod(job)
    assert "envFrom" not in container(job)
    for volume in pod(job)["volumes"]:
        assert ("Secret", volume.get("secret", {}).get("secretName")) not in made
        assert ("ConfigMap", volume.get("configMap", {}).get("name")) not in made
    assert hook(find(chart, "NetworkPolicy", "mentor-migrate")) == hook(job)


def hook(manifest: Manifest) -> object:
    return manifest["metadata"]["annotations"]["helm.sh/hook"]


@deploy
def test_previous_revision(chart: list[Manifest]) -> None:
    """An upgrade keeps the ConfigMap of the previous revision."""
    annotations = find(chart, "ConfigMap")["metadata"]["annotations"]
    assert annotations == {"helm.sh/resource-policy": "keep"}
    [before, after] = [find(each, "ConfigMap") for each in (chart, rendered("logLevel=DEBUG"))]
    assert before["metadata"]["name"] != after["metadata"]["name"]


@deploy
def test_two_releases() -> None:
    """Two releases share no object."""
    manifests = parse(templated("--values", PRODUCTION, release="other"))
    names = {without_hash(manifest) for manifest in manifests}
    assert names == {"other", "other-migrate"}


@deploy
@pytest.mark.parametrize("release", ["mentor.v2", "2mentor", 43 * "m"])
def test_wrong_release(release: str) -> None:
    """A name that Knative or a CronJob can't have is refused before the job runs."""
    with pytest.raises(RenderError, match="release's name"):
        templated("--values", PRODUCTION, release=release)


@deploy
@pytest.mark.parametrize("name", ["on", "1e3", "0123"])
def test_names_of_other_types(name: str) -> None:
    """A name that YAML would read as a boolean or a number stays a name."""
    names = ["database.secret", "database.caConfigMap", "migrate.secret", "retention.secret"]
    names += ["llm.secret", "trigger.broker", "image.pullSecrets[0]", "env.ON"]
    made = templated(
        *("--values", PRODUCTION, f"--namespace={name}"),
        "--set=trigger.enabled=true,retention.enabled=true,retention.days=1",
        *(f"--set-string={each}={name}" for each in names),
        release="on",
    )
    manifests = parse(made)
    assert [found for manifest in manifests for found in problems(manifest)] == []
    assert find(manifests, "ConfigMap", "on")["data"]["ON"] == name


@deploy
def test_retention(tmp_path: Path) -> None:
    """The CronJob is that of deploy/knative/components/retention, and needs a number of days."""
    from_chart = rendered("retention.enabled=true", "retention.days=365")
    jobs = [
        find(manifests, "CronJob", "mentor-retention")
        for manifests in (from_chart, with_component("retention", tmp_path))
    ]
    for job in jobs:
        container(job["spec"]["jobTemplate"])["env"].sort(key=str)
    assert jobs[0]["spec"] == jobs[1]["spec"]
    with pytest.raises(RenderError, match="retention/days"):
        rendered("retention.enabled=true")


@deploy
def test_trigger() -> None:
    """The Trigger is that of deploy/knative."""
    [example] = plain("eventing/trigger.yaml")
    assert find(rendered("trigger.enabled=true"), "Trigger")["spec"] == example["spec"]


@deploy
@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("https://model.example.com/v1", 443),
        ("https://model.example.com:8443", 8443),
        ("http://model.models/v1", 80),
        ("http://model.models:8000/v1", 8000),
        ("http://[fd00::80]:8000/v1", 8000),
        ("http://[fd00::8000]/v1", 80),
    ],
)
def test_egress(url: str, port: int) -> None:
    """The network policy allows the port of llm.baseUrl."""
    *_, way_out = egress(rendered(f"llm.baseUrl={url}"))
    assert way_out["ports"] == [{"port": port}]


@deploy
def test_egress_of_telemetry() -> None:
    """The network policy allows the ports of the collectors and of Pyroscope that env names."""
    usual = egress(rendered())
    off = rendered("env.OTEL_EXPORTER_OTLP_ENDPOINT=", "env.OTEL_SERVICE_NAME=mentor")
    assert egress(off) == usual
    *same, way_out = egress(
        rendered(
            "env.OTEL_EXPORTER_OTLP_ENDPOINT=http://collector.observability:4318",
            "env.OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://collector.observability:4318/v1/logs",
            "env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://traces.example.com/v1/traces",
            "env.PYROSCOPE_SERVER_ADDRESS=http://pyroscope.observability:4040",
        )
    )
    assert same == usual
    assert way_out["ports"] == [{"port": 4318}, {"port": 443}, {"port": 4040}]


@deploy
def test_egress_of_odd_addresses() -> None:
    """An address that the function only warns of does not fail the chart, and opens no port."""
    usual = egress(rendered())
    for address in ("collector:4317", ":4318", " http://collector", "unix:///otlp", "$(OTLP):4318"):
        assert egress(rendered(f"env.OTEL_EXPORTER_OTLP_ENDPOINT={address}")) == usual
    *same, way_out = egress(
        rendered(
            "env.OTEL_EXPORTER_OTLP_ENDPOINT=HTTP://[fd00::1]",
            "env.OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://a:1%zz@[fd00::1]:4318?:9",
            "env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://$(HOST):$(OTLP_PORT)/v1/traces",
        )
    )
    assert same == usual
    assert way_out["ports"] == [{"port": 80}, {"port": 4318}, {"port": 443}]


def egress(manifests: Sequence[Manifest]) -> list[Manifest]:
    rules: list[Manifest] = find(manifests, "NetworkPolicy")["spec"]["egress"]
    return rules
