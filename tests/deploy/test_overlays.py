"""The objects that kustomize renders from deploy/knative."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dev import manifests as dev_manifests
from dev.manifests import BUILT, KNATIVE, kustomized
from function.settings import ConfigurationError, Settings
from tests.deploy.configuration import settings_of
from tests.deploy.manifests import (
    Manifest,
    container,
    environment,
    find,
    parse,
    with_component,
)
from tests.deploy.schemas import problems

pytestmark = pytest.mark.deploy

OVERLAYS = ("production", "local")
README = KNATIVE / "README.md"


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> list[Manifest]:
    rendered: list[Manifest] = request.getfixturevalue(request.param)
    return rendered


@pytest.mark.parametrize("rendered", [*OVERLAYS, "eventing"])
def test_schemas(rendered: str, request: pytest.FixtureRequest) -> None:
    """Every object matches its schema, and is in the namespace."""
    manifests = request.getfixturevalue(rendered)
    assert [found for manifest in manifests for found in problems(manifest)] == []
    assert {manifest["metadata"]["namespace"] for manifest in manifests} == {"mathtrail"}


def test_image(overlay: list[Manifest]) -> None:
    """The function and the job run the same image, with a version."""
    images = {
        container(find(overlay, "Service"))["image"],
        container(find(overlay, "Job", "mentor-migrate"))["image"],
    }
    [image] = images
    name, _, tag = image.rpartition(":")
    assert name.endswith("/mentor-function")
    assert tag
    assert "latest" not in json.dumps(overlay)


@pytest.mark.parametrize(("kind", "name"), [("Service", "mentor"), ("Job", "mentor-migrate")])
def test_configuration(overlay: list[Manifest], kind: str, name: str, tmp_path: Path) -> None:
    """The configuration is valid, and each variable is read."""
    assert settings_of(environment(overlay, kind, name), tmp_path).postgres.credentials_dir


def test_wrong_configuration(production: list[Manifest], tmp_path: Path) -> None:
    """A wrong or unknown variable is found."""
    environ = environment(production, "Service", "mentor")
    with pytest.raises(ConfigurationError, match="LLM_TIMEOUT"):
        settings_of({**environ, "LLM_TIMEOUT": "15"}, tmp_path)
    with pytest.raises(AssertionError):
        settings_of({**environ, "PGSSL_MODE": "disable"}, tmp_path)


@pytest.fixture
def in_production(production: list[Manifest], tmp_path: Path) -> Callable[[str, str], Settings]:
    """Return a function for the settings of the function or the job in overlays/production."""

    def settings(kind: str, name: str) -> Settings:
        return settings_of(environment(production, kind, name), tmp_path)

    return settings


def test_tls(
    in_production: Callable[[str, str], Settings],
) -> None:
    """In production, PostgreSQL's certificate is verified."""
    for settings in in_production("Service", "mentor"), in_production("Job", "mentor-migrate"):
        assert settings.postgres.sslmode == "verify-full"
        assert settings.postgres.sslrootcert


def test_job_bypasses_pooler(in_production: Callable[[str, str], Settings]) -> None:
    """The job connects to PostgreSQL without the pooler."""
    function = in_production("Service", "mentor").postgres
    job = in_production("Job", "mentor-migrate").postgres
    assert job.hosts != function.hosts
    assert function.database == job.database


def test_api_key(in_production: Callable[[str, str], Settings]) -> None:
    """The model's key is a file, not a variable."""
    llm = in_production("Service", "mentor").llm
    assert llm
    assert llm.api_key is None
    assert llm.api_key_file


def test_egress(production: list[Manifest], local: list[Manifest]) -> None:
    """The network policy allows port 443 only with a model."""
    assert egress(production, "mentor") == [53, 53, 5432, 6432, 443]
    assert egress(local, "mentor") == [53, 53, 5432, 6432]
    assert egress(production, "mentor-migrate") == [53, 53, 5432]


def egress(manifests: list[Manifest], name: str) -> list[int]:
    policy = find(manifests, "NetworkPolicy", name)
    return [port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]]


def test_egress_patch(tmp_path: Path) -> None:
    """The commented patch allows another port for the function and the job."""
    copy = shutil.copytree(KNATIVE, tmp_path / "knative") / "overlays/production"
    file = copy / "kustomization.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(re.sub(r"^  # (?=- target|  )", "  ", text, flags=re.MULTILINE))
    patched = parse(kustomized(copy))
    assert egress(patched, "mentor") == [53, 53, 5432, 6432, 5433, 443]
    assert egress(patched, "mentor-migrate") == [53, 53, 5432, 5433]


def test_reanalyze(tmp_path: Path) -> None:
    """The CronJob has the function's image and configuration, and bypasses the pooler."""
    settings = settings_of_cron_job("reanalyze", tmp_path)
    assert settings.llm
    [host] = settings.postgres.hosts
    assert (host.name, host.port) == ("postgres.database.svc.cluster.local", 5432)


def test_retention(tmp_path: Path) -> None:
    """The CronJob has the function's image, and a configuration of its own."""
    settings = settings_of_cron_job("retention", tmp_path)
    assert settings.retention_days == 365
    assert settings.postgres.sslmode == "verify-full"
    assert settings.postgres.credentials_dir == tmp_path / "eraser"


def settings_of_cron_job(component: str, folder: Path) -> Settings:
    """Add the component to overlays/production; return the settings of its valid CronJob."""
    rendered = with_component(component, folder)
    cron_job = find(rendered, "CronJob", f"mentor-{component}")
    assert problems(cron_job) == []
    job = {**cron_job["spec"]["jobTemplate"], "kind": "Job", "metadata": cron_job["metadata"]}
    function = find(rendered, "Service")
    assert container(job)["image"] == container(function)["image"]
    objects = [job, *(one for one in rendered if one["kind"] == "ConfigMap")]
    return settings_of(environment(objects, "Job", f"mentor-{component}"), folder)


def test_visibility(production: list[Manifest], local: list[Manifest]) -> None:
    """In production the Service is private to the cluster."""
    label = "networking.knative.dev/visibility"
    assert find(production, "Service")["metadata"]["labels"][label] == "cluster-local"
    assert label not in find(local, "Service")["metadata"]["labels"]


def test_revision(production: list[Manifest], tmp_path: Path) -> None:
    """A changed configuration makes a new revision."""
    copy = shutil.copytree(KNATIVE, tmp_path / "knative")
    changed = copy / "overlays/production/kustomization.yaml"
    changed.write_text(changed.read_text().replace("PGPORT=6432", "PGPORT=6433"))
    other = parse(kustomized(changed.parent))
    assert find(other, "Service")["spec"] != find(production, "Service")["spec"]
    assert environment(other, "Service", "mentor")["PGPORT"] == "6433"


def test_make_manifests(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`make manifests` writes all manifests."""
    monkeypatch.setattr(dev_manifests, "BUILT", tmp_path / "build")
    assert dev_manifests.main() == 0
    written = sorted(path.name for path in (tmp_path / "build").iterdir())
    assert written == [
        "helm.yaml", "knative-eventing.yaml", "knative-local.yaml", "knative-production.yaml",
    ]  # fmt: skip
    assert capsys.readouterr().out.count(BUILT.name) == len(written)


def test_two_steps(overlay: list[Manifest]) -> None:
    """The guide's two steps apply all objects of an overlay."""
    steps = re.findall(r"apply -k \$overlay -l (\S+)=(\S+)", README.read_text(encoding="utf-8"))
    assert steps == [("app.kubernetes.io/name", name) for name in ("mentor-migrate", "mentor")]
    kinds: dict[str, list[str]] = {}
    for manifest in overlay:
        label = manifest["metadata"]["labels"]["app.kubernetes.io/name"]
        kinds.setdefault(label, []).append(manifest["kind"])
    assert sorted(kinds.pop("mentor-migrate")) == ["Job", "NetworkPolicy"]
    assert sorted(kinds.pop("mentor")) == [
        "ConfigMap",
        "NetworkPolicy",
        "Service",
        "ServiceAccount",
    ]
    assert kinds == {}
