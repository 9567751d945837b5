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
        pods = [pod for part in _flink_parts(manifest) for pod in problems(_flink_pod(part))]
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


def _flink_parts(deployment: Manifest) -> list[Manifest]:
    spec = deployment["spec"]
    parts = [spec, spec["jobManager"], spec["taskManager"]]
    return [part["podTemplate"] for part in parts if "podTemplate" in part]


def _flink_pod(template: Manifest) -> Manifest:
    """Return the pod that Flink makes; it gives the main container its image."""
    spec = copy.deepcopy(template["spec"])
    for container in spec["containers"]:
        container.setdefault("image", "flink")
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": spec}


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
