"""deploy/knative as it stands in its files; what kustomize makes of them is in test_overlays.py."""

import copy
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
# https://knative.dev/docs/serving/autoscaling: what Knative reads; it ignores any other.
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
def test_every_object_is_one_that_a_cluster_takes(path: Path) -> None:
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
def test_a_field_that_knative_refuses_is_found(
    service: Manifest, field: str, value: object
) -> None:
    spec = service["spec"]
    changed = {**spec["template"]["spec"], field: value}
    template = {**spec["template"], "spec": changed}
    assert problems({**service, "spec": {**spec, "template": template}})


@pytest.mark.parametrize("name", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_a_probe_without_a_port_is_refused_unless_serving_fills_it_in(
    service: Manifest, name: str
) -> None:
    """Serving does so for two of the three: pkg/reconciler/revision/resources of its source."""
    probe = {"httpGet": {"path": "/health/startup"}}
    found = problems(changed(service, {name: probe}))
    assert any("port" in problem for problem in found) == (name == "startupProbe")


def changed(service: Manifest, fields: Manifest) -> Manifest:
    """The Service with these fields in its container."""
    copied: Manifest = copy.deepcopy(service)
    container(copied).update(fields)
    return copied


def test_no_startup_probe_makes_the_activator_wait_for_kubernetes(service: Manifest) -> None:
    """With one, pkg/activator/net/revision_backends.go of Serving does not ask the pod itself."""
    assert "startupProbe" not in container(service)


def test_a_slow_start_is_no_death(service: Manifest) -> None:
    probe = container(service)["livenessProbe"]
    assert probe["initialDelaySeconds"] >= 30


def test_the_example_of_secrets_is_never_applied() -> None:
    kustomizations = [
        path.read_text(encoding="utf-8") for path in KNATIVE.rglob("kustomization.yaml")
    ]
    assert len(kustomizations) == 5
    assert not any("secrets.example" in text for text in kustomizations)


def test_the_example_has_every_secret_that_is_mounted(service: Manifest, job: Manifest) -> None:
    shown = {manifest["metadata"]["name"] for manifest in plain("secrets.example.yaml")}
    volumes = pod(service)["volumes"] + pod(job)["volumes"]
    mounted = {
        volume["secret"]["secretName"] if "secret" in volume else volume["configMap"]["name"]
        for volume in volumes
    }
    assert mounted == shown


def test_a_changed_secret_reaches_the_function_without_a_restart(service: Manifest) -> None:
    found = set(keys(container(service)))
    assert not found & {"secretKeyRef", "secretRef", "subPath"}


def test_the_mounted_files_can_be_read_by_the_functions_user(
    service: Manifest, job: Manifest
) -> None:
    assert modes(service) == {0o444}  # no fsGroup: Knative switches it off
    assert modes(job) == {0o440}
    assert pod(job)["securityContext"]["fsGroup"] == 65532


def modes(manifest: Manifest) -> set[int]:
    return {
        volume["secret"]["defaultMode"] for volume in pod(manifest)["volumes"] if "secret" in volume
    }


def test_the_function_has_the_paths_that_are_probed(
    service: Manifest, feedback_database: str, tmp_path: Path
) -> None:
    with running(tmp_path / "log", feedback_database) as instance:
        instance.wait_until_ready()
        for probe in PROBES:
            path = container(service)[probe]["httpGet"]["path"]
            assert instance.get(path).status == 200, probe


def test_requests_and_the_drain_end_before_the_kill(service: Manifest) -> None:
    seconds = pod(service)["timeoutSeconds"]
    assert seconds >= QUEUE_PROXY_DRAIN + DRAIN_TIMEOUT
    assert seconds > LONGEST_REQUEST
    assert seconds >= 60


def test_the_activator_gives_up_after_the_function_and_before_a_minute(service: Manifest) -> None:
    """It holds the requests for an instance that does not become ready, and then answers 504."""
    seconds = pod(service)["responseStartTimeoutSeconds"]
    assert BODY_TIMEOUT + LONGEST_REQUEST < seconds < pod(service)["timeoutSeconds"]
    guide = " ".join((ROOT / "docs/operations.md").read_text(encoding="utf-8").split())
    assert f"After {seconds} seconds (`responseStartTimeoutSeconds`) the caller gets 504" in guide


def test_no_instance_gets_more_questions_than_it_asks(service: Manifest) -> None:
    assert pod(service)["containerConcurrency"] < CONNECTIONS


def test_the_annotations_are_ones_that_knative_reads(service: Manifest) -> None:
    annotations = service["spec"]["template"]["metadata"]["annotations"]
    assert {name.removeprefix(AUTOSCALING) for name in annotations} <= ANNOTATIONS
    assert "annotations" not in service["metadata"]  # Knative refuses autoscaling there
    assert "activation-scale" not in str(annotations)  # and values below 2 here
    assert annotations[AUTOSCALING + "min-scale"] == "0"
    assert (
        timedelta(seconds=6) <= duration(annotations[AUTOSCALING + "window"]) <= timedelta(hours=1)
    )


def duration(text: str) -> timedelta:
    match = re.fullmatch(r"(\d+)(s|m)", text)
    assert match, text
    return int(match[1]) * {"s": timedelta(seconds=1), "m": timedelta(minutes=1)}[match[2]]


def test_the_guide_adds_up_when_the_last_instance_ends(service: Manifest) -> None:
    """The retention begins after window and delay: handleScaleToZero in Serving's scaler.go."""
    annotations = service["spec"]["template"]["metadata"]["annotations"]
    names = ("window", "scale-down-delay", "scale-to-zero-pod-retention-period")
    total = sum((duration(annotations[AUTOSCALING + name]) for name in names), timedelta())
    guide = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    assert f"Knative adds the three up: {total // timedelta(minutes=1)} minutes" in guide


def test_a_minute_without_postgresql_leaves_the_instances_in_place(service: Manifest) -> None:
    probe = container(service)["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 60
    assert probe["timeoutSeconds"] > 2  # within which the function says "not ready"


def test_all_attempts_to_migrate_fit_in_what_helm_waits(job: Manifest) -> None:
    attempts = job["spec"]["backoffLimit"] + 1
    timeout = {item["name"]: item["value"] for item in container(job)["env"]}["MIGRATE_TIMEOUT"]
    pauses = sum(10 * 2**number for number in range(attempts - 1))  # as Kubernetes makes them
    assert attempts * int(timeout) + pauses <= job["spec"]["activeDeadlineSeconds"] < HELM_TIMEOUT


def test_an_invalid_configuration_ends_the_job_at_once(job: Manifest) -> None:
    [rule] = [rule for rule in job["spec"]["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert rule["action"] == "FailJob"
    assert rule["onExitCodes"]["values"] == [2]
    assert rule["onExitCodes"]["containerName"] == container(job)["name"]


@pytest.mark.parametrize("name", ["service", "job"])
def test_pods_run_as_restricted_as_kubernetes_knows(
    name: str, request: pytest.FixtureRequest
) -> None:
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


def test_pods_run_as_the_user_of_the_image(service: Manifest) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    context = container(service)["securityContext"]
    assert f"USER {context['runAsUser']}:{context['runAsGroup']}\n" in dockerfile


def test_nobody_reaches_the_function_past_queue_proxy(service: Manifest) -> None:
    policy = find(plain("base/network-policies.yaml"), "NetworkPolicy")
    ports = [port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]]
    assert ports == [8012, 8013, 8112, 9090]
    assert all(rule["from"] for rule in policy["spec"]["ingress"])
    selected = policy["spec"]["podSelector"]["matchLabels"]
    assert selected == {"serving.knative.dev/service": service["metadata"]["name"]}
