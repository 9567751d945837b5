"""Finds problems that a cluster would refuse, as far as schemas know them."""

import copy
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
from jsonschema import Draft202012Validator

VENDORED = Path(__file__).parent / "vendored"
# From the oldest that Knative 1.22 runs on (defaultMinimumVersion in the version/version.go of the
# knative.dev/pkg that serving v0.49.0 has) to the newest that has schemas.
KUBERNETES = ("1.34", "1.37")
OBJECT = {"apiVersion", "kind", "metadata", "spec"}
# Fields that a revision's spec has and a pod's does not.
OF_SERVING = {
    "containerConcurrency",
    "idleTimeoutSeconds",
    "responseStartTimeoutSeconds",
    "timeoutSeconds",
}
METADATA = {"name", "namespace", "labels", "annotations"}

Manifest = Mapping[str, Any]


def problems(manifest: Manifest) -> list[str]:
    """Return the problems, including unknown fields, in each of these versions of Kubernetes."""
    if "knative.dev/" in manifest["apiVersion"]:
        of_the_pod = problems(_pod(manifest)) if manifest["kind"] == "Service" else []
        return _custom_problems(manifest) + of_the_pod
    if manifest["kind"] == "FlinkDeployment":
        pods = [found for pod in flink_pods(manifest) for found in problems(pod)]
        return _custom_problems(manifest) + pods
    return [found for version in KUBERNETES for found in _core_problems(manifest, version)]


def _core_problems(manifest: Manifest, version: str) -> list[str]:
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
    except kubernetes_validate.ValidationError as exc:
        return [f"{version}: {exc.message}"]
    return []


def _custom_problems(manifest: Manifest) -> list[str]:
    unknown = {*manifest["metadata"]} - METADATA | {*manifest} - OBJECT
    validator = _validator(f"{manifest['apiVersion']} {manifest['kind']}")
    errors = validator.iter_errors(manifest["spec"])
    return [f"unknown: {name}" for name in sorted(unknown)] + [
        f"{error.json_path}: {error.message}" for error in errors
    ]


def flink_pods(deployment: Manifest) -> list[Manifest]:
    """Return the pods of the JobManager and the TaskManager.

    Each is made of two templates, by mergePodTemplates in the operator's FlinkUtils. Flink gives
    the main container its image.
    """
    spec = deployment["spec"]
    option = "kubernetes.operator.pod-template.merge-arrays-by-name"
    by_name = spec["flinkConfiguration"].get(option) == "true"
    pods: list[Manifest] = []
    for part in (spec["jobManager"], spec["taskManager"]):
        merged = _merged(spec["podTemplate"], part.get("podTemplate", {}), by_name=by_name)["spec"]
        for container in merged["containers"]:
            container.setdefault("image", "flink")
        pods.append(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": merged}
        )
    return pods


def _merged(base: Any, change: Any, *, by_name: bool) -> Any:
    if isinstance(base, list) and isinstance(change, list):
        named = by_name and all("name" in item for item in base + change)
        pairs = [
            {item["name"] if named else position: item for position, item in enumerate(items)}
            for items in (base, change)
        ]
        return list(_merged(*pairs, by_name=by_name).values())
    if isinstance(base, dict) and isinstance(change, dict):
        both = {
            key: _merged(base[key], change[key], by_name=by_name) for key in base if key in change
        }
        return copy.deepcopy({**base, **change, **both})
    return change


def _pod(service: Manifest) -> Manifest:
    """Return the pod that Serving makes from the Service.

    It sets the port of two probes, but not that of a startupProbe: makeServingContainer and
    makeQueueContainer in its pkg/reconciler/revision/resources.
    """
    spec = copy.deepcopy(service["spec"]["template"]["spec"])
    for name in OF_SERVING & {*spec}:
        del spec[name]
    for container in spec["containers"]:
        for probe in {"readinessProbe", "livenessProbe"} & {*container}:
            container[probe]["httpGet"].setdefault("port", 8080)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": spec}


@cache
def _validator(kind: str) -> Draft202012Validator:
    """Return the validator of the kind's spec."""
    if kind == "serving.knative.dev/v1 Service":
        return Draft202012Validator(read("serving-0.49.0.schema.json")["properties"]["spec"])
    if kind == "flink.apache.org/v1beta1 FlinkDeployment":
        return Draft202012Validator(read("flinkdeployment-1.14.0.schema.json"))
    eventing = read("eventing-7.7.0.schema.json")
    return Draft202012Validator({**eventing, **eventing["kinds"][kind]})


def read(name: str) -> Any:
    return json.loads((VENDORED / name).read_text(encoding="utf-8"))
