"""Rendered manifests, and where the parts of them are that tests speak of."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from dev.manifests import KNATIVE

# What kustomize reads, and no cluster.
FOR_KUSTOMIZE = ("kustomization.yaml", "knative-names.yaml")

Manifest = dict[str, Any]


def parse(text: str) -> list[Manifest]:
    return [manifest for manifest in yaml.safe_load_all(text) if manifest]


def plain_files() -> list[Path]:
    """The files of deploy/knative that hold objects of a cluster."""
    return sorted(path for path in KNATIVE.rglob("*.yaml") if path.name not in FOR_KUSTOMIZE)


def plain(name: str) -> list[Manifest]:
    """The objects of one of these files."""
    return parse((KNATIVE / name).read_text(encoding="utf-8"))


def find(manifests: Sequence[Manifest], kind: str, name: str = "mentor") -> Manifest:
    """The object of this kind, whatever hash comes after its name."""
    [found] = [
        manifest
        for manifest in manifests
        if manifest["kind"] == kind and without_hash(manifest) == name
    ]
    return found


def without_hash(manifest: Manifest) -> str:
    """The object's name; that of a ConfigMap ends in a hash of what is inside."""
    name: str = manifest["metadata"]["name"]
    return name.rpartition("-")[0] if manifest["kind"] == "ConfigMap" else name


def pod(manifest: Manifest) -> Any:
    """The pod's spec of a Service or a Job."""
    return manifest["spec"]["template"]["spec"]


def container(manifest: Manifest) -> Any:
    [only] = pod(manifest)["containers"]
    return only


def environment(manifests: Sequence[Manifest], kind: str, name: str) -> dict[str, str]:
    """The variables that the container of a Service or a Job gets."""
    inside = container(find(manifests, kind, name))
    variables = {variable["name"]: variable["value"] for variable in inside.get("env", [])}
    for source in inside.get("envFrom", []):
        [values] = [
            manifest["data"]
            for manifest in manifests
            if manifest["kind"] == "ConfigMap"
            and manifest["metadata"]["name"] == source["configMapRef"]["name"]
        ]
        variables |= values
    return variables


def keys(node: object) -> Iterator[str]:
    """All names of fields, at whatever depth."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            yield name
            yield from keys(value)
    elif isinstance(node, list):
        for value in node:
            yield from keys(value)
