"""Parses manifests, and finds their parts."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from dev.manifests import KNATIVE, kustomized

# Files for kustomize, not for a cluster.
FOR_KUSTOMIZE = ("kustomization.yaml", "knative-names.yaml")

Manifest = dict[str, Any]


def parse(text: str) -> list[Manifest]:
    return [manifest for manifest in yaml.safe_load_all(text) if manifest]


def plain_files() -> list[Path]:
    """Return the files of deploy/knative that contain objects for a cluster."""
    return sorted(path for path in KNATIVE.rglob("*.yaml") if path.name not in FOR_KUSTOMIZE)


def plain(name: str) -> list[Manifest]:
    """Return the objects of one of these files."""
    return parse((KNATIVE / name).read_text(encoding="utf-8"))


def with_component(name: str, folder: Path) -> list[Manifest]:
    """Render overlays/production with one more component, from a copy in the folder."""
    overlay = shutil.copytree(KNATIVE, folder / "knative") / "overlays/production"
    file = overlay / "kustomization.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("components:\n", f"components:\n  - ../../components/{name}\n"))
    return parse(kustomized(overlay))


def find(manifests: Sequence[Manifest], kind: str, name: str = "mentor") -> Manifest:
    """Return the object of this kind and name; a hash after the name is ignored."""
    [found] = [
        manifest
        for manifest in manifests
        if manifest["kind"] == kind and without_hash(manifest) == name
    ]
    return found


def without_hash(manifest: Manifest) -> str:
    """Return the object's name, without the hash that a ConfigMap's name ends with."""
    name: str = manifest["metadata"]["name"]
    return name.rpartition("-")[0] if manifest["kind"] == "ConfigMap" else name


def pod(manifest: Manifest) -> Any:
    """Return the pod's spec of a Service or a Job."""
    return manifest["spec"]["template"]["spec"]


def container(manifest: Manifest) -> Any:
    [only] = pod(manifest)["containers"]
    return only


def environment(manifests: Sequence[Manifest], kind: str, name: str) -> dict[str, str]:
    """Return the variables of the container of a Service or a Job."""
    inside = container(find(manifests, kind, name))
    variables = {variable["name"]: variable["value"] for variable in inside.get("env", [])}
    for source in inside.get("envFrom", []):
        [values] = [
            manifest["data"]
            for manifest in manifests
            if manifest["kind"] == "ConfigMap"
            and manifest["metadata"]["name"] == source["configMapRef"]["name"]
        ]
        variables = {**values, **variables}  # `env` comes before `envFrom`
    return variables


def keys(node: object) -> Iterator[str]:
    """Return the names of all fields, at any depth."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            yield name
            yield from keys(value)
    elif isinstance(node, list):
        for value in node:
            yield from keys(value)
