"""The files in deploy/knative; test_overlays.py tests what kustomize renders from them."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from dev.manifests import KNATIVE
from function.hosts.limits import BODY_TIMEOUT
from function.llm.client import CONNECTIONS
from function.settings import DRAIN_TIMEOUT, LONGEST_REQUEST
from tests.deploy.manifests import Manifest, container, find, keys, parse, plain, plain_files, pod
from tests.deploy.schemas import problems
from tests.instance import ROOT, running

QUEUE_PROXY_DRAIN = 30  # seconds, drainSleepDuration in knative.dev/serving's pkg/queue/sharedmain
HELM_TIMEOUT = 300  # seconds, --timeout of `helm upgrade`
PROBES = ("readinessProbe", "livenessProbe")
AUTOSCALING = "autoscaling.knative.dev/"
# Knative ignores all others: https://knative.dev/docs/serving/autoscaling
ANNOTATIONS = {
    "activation-scale",
    "class",
    "initial-scale",
    "max-scale",
    "metric",
    "min-scale",
    "panic-threshold-percentage",
    "panic-window-percentage",
    "scale-down-delay",
    "scale-to-zero-pod-retention-period",
    "target",
    "target-burst-capacity",
    "target-utilization-percentage",
    "window",
}


@pytest.fixture(scope="module")
def service() -> Manifest:
    return find(plain("base/service.yaml"), "Service")


@pytest.fixture(scope="module")
def job() -> Manifest:
    return find(plain("base/migrate.yaml"), "Job", "mentor-migrate")


@pytest.mark.parametrize("path", plain_files(), ids=lambda path: path.name)
def test_schemas(path: Path) -> None:
    """Every object matches its schema."""
    for manifest in parse(path.read_text(encoding="utf-8")):
        assert problems(manifest) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nodeSelector", {"disk": "ssd"}),
        ("securityContext", {"fsGroup": 65532}),
        ("automountServiceAcountToken", False),
        ("containerConcurrency", "500"),
    ],
)
def test_schema_violation(service: Manifest, field: str, value: object) -> None:
    """The schemas find fields that Knative refuses."""
    spec = service["spec"]
    changed = {**spec["template"]["spec"], field: value}
    template = {**spec["template"], "spec": changed}
    assert problems({**service, "spec": {**spec, "template": template}})


def test_no_startup_probe(service: Manifest) -> None:
    """A startupProbe would make Serving's pkg/activator/net wait for Kubernetes' own probes."""
    assert "startupProbe" not in container(service)


def test_slow_start(service: Manifest) -> None:
    """The liveness probe allows a start of 30 seconds."""
    probe = container(service)["livenessProbe"]
    assert probe["initialDelaySeconds"] >= 30


def test_example_not_applied() -> None:
    """No kustomization contains the example of the secrets."""
    kustomizations = [
        path.read_text(encoding="utf-8") for path in KNATIVE.rglob("kustomization.yaml")
    ]
    assert len(kustomizations) == 7
    assert not any("secrets.example" in text for text in kustomizations)


def test_example_secrets(service: Manifest, job: Manifest) -> None:
    """The example contains each mounted secret."""
    shown = {manifest["metadata"]["name"] for manifest in plain("secrets.example.yaml")}
    [retention] = plain("components/retention/cronjob.yaml")
    template = retention["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    volumes = pod(service)["volumes"] + pod(job)["volumes"] + template["volumes"]
    mounted = {
        volume["secret"]["secretName"] if "secret" in volume else volume["configMap"]["name"]
        for volume in volumes
    }
    assert mounted == shown


def test_secrets_are_files(service: Manifest) -> None:
    """Secrets are mounted as files, so that a change needs no restart."""
    found = set(keys(container(service)))
    assert not found & {"secretKeyRef", "secretRef", "subPath"}


def test_file_modes(service: Manifest, job: Manifest) -> None:
    """The user of the function and of the job can read the mounted files."""
    assert modes(service) == {0o444}  # no fsGroup: Knative switches it off
    assert modes(job) == {0o440}
    assert pod(job)["securityContext"]["fsGroup"] == 65532


def modes(manifest: Manifest) -> set[int]:
    return {
        volume["secret"]["defaultMode"] for volume in pod(manifest)["volumes"] if "secret" in volume
    }


def test_probe_paths(service: Manifest, feedback_database: str, tmp_path: Path) -> None:
    """The function answers the probes."""
    with running(tmp_path / "log", feedback_database) as instance:
        instance.wait_until_ready()
        for probe in PROBES:
            path = container(service)[probe]["httpGet"]["path"]
            assert instance.get(path).status == 200, probe


def test_timeout(service: Manifest) -> None:
    """Requests and the drain end before the pod is killed."""
    seconds = pod(service)["timeoutSeconds"]
    assert seconds >= QUEUE_PROXY_DRAIN + DRAIN_TIMEOUT
    assert seconds > LONGEST_REQUEST
    assert seconds >= 60


def test_wait_for_an_instance(service: Manifest) -> None:
    """The activator waits longer than the function for an instance that does not become ready."""
    seconds = pod(service)["responseStartTimeoutSeconds"]
    assert BODY_TIMEOUT + LONGEST_REQUEST < seconds < pod(service)["timeoutSeconds"]
    guide = " ".join((ROOT / "docs/operations.md").read_text(encoding="utf-8").split())
    assert f"After {seconds} seconds (`responseStartTimeoutSeconds`) the caller gets 504" in guide


def test_concurrency(service: Manifest) -> None:
    """An instance gets fewer requests at once than it has connections to the model."""
    assert pod(service)["containerConcurrency"] < CONNECTIONS


def test_annotations(service: Manifest) -> None:
    """Knative reads all annotations, and their values are in range."""
    annotations = service["spec"]["template"]["metadata"]["annotations"]
    assert {name.removeprefix(AUTOSCALING) for name in annotations} <= ANNOTATIONS
    assert "annotations" not in service["metadata"]  # Knative refuses autoscaling there
    assert "activation-scale" not in str(annotations)  # and refuses values below 2 here
    assert annotations[AUTOSCALING + "min-scale"] == "0"
    assert (
        timedelta(seconds=6) <= duration(annotations[AUTOSCALING + "window"]) <= timedelta(hours=1)
    )


def duration(text: str) -> timedelta:
    match = re.fullmatch(r"(\d+)(s|m)", text)
    assert match, text
    return int(match[1]) * {"s": timedelta(seconds=1), "m": timedelta(minutes=1)}[match[2]]


def test_scale_to_zero(service: Manifest) -> None:
    """The guide states after how long the last instance ends: Serving's scaler.go adds three."""
    annotations = service["spec"]["template"]["metadata"]["annotations"]
    names = ("window", "scale-down-delay", "scale-to-zero-pod-retention-period")
    total = sum((duration(annotations[AUTOSCALING + name]) for name in names), timedelta())
    guide = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    assert f"Knative adds the three times: {total // timedelta(minutes=1)} minutes" in guide


def test_readiness(service: Manifest) -> None:
    """Instances stay ready through a minute without PostgreSQL."""
    probe = container(service)["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 60
    assert probe["timeoutSeconds"] > 2  # the function answers "not ready" within 2


def test_job_deadline(job: Manifest) -> None:
    """All attempts of the job fit into Helm's timeout."""
    attempts = job["spec"]["backoffLimit"] + 1
    timeout = {item["name"]: item["value"] for item in container(job)["env"]}["MIGRATE_TIMEOUT"]
    pauses = sum(10 * 2**number for number in range(attempts - 1))  # as in Kubernetes
    assert attempts * int(timeout) + pauses <= job["spec"]["activeDeadlineSeconds"] < HELM_TIMEOUT


def test_failed_job(job: Manifest) -> None:
    """An invalid configuration ends the job at once."""
    [rule] = [rule for rule in job["spec"]["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert rule["action"] == "FailJob"
    assert rule["onExitCodes"]["values"] == [2]
    assert rule["onExitCodes"]["containerName"] == container(job)["name"]


@pytest.mark.parametrize("name", ["service", "job"])
def test_restricted_pods(name: str, request: pytest.FixtureRequest) -> None:
    """Pods match the Pod Security Standard `restricted`, and get no service account token."""
    manifest = request.getfixturevalue(name)
    context = {**pod(manifest).get("securityContext", {}), **container(manifest)["securityContext"]}
    assert context.pop("fsGroup", 65532) == 65532
    assert context == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert pod(manifest)["automountServiceAccountToken"] is False


def test_user(service: Manifest) -> None:
    """Pods run as the user of the image."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    context = container(service)["securityContext"]
    assert f"USER {context['runAsUser']}:{context['runAsGroup']}\n" in dockerfile


def test_network_policy(service: Manifest) -> None:
    """The network policy allows only the ports of queue-proxy."""
    policy = find(plain("base/network-policies.yaml"), "NetworkPolicy")
    ports = [port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]]
    assert ports == [8012, 8013, 8112, 9090]
    assert all(rule["from"] for rule in policy["spec"]["ingress"])
    selected = policy["spec"]["podSelector"]["matchLabels"]
    assert selected == {"serving.knative.dev/service": service["metadata"]["name"]}
