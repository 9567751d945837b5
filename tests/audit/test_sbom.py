"""The SBOM lists what the image has; tests/image compares the lock with the image itself."""

import json
from typing import Any

import pytest

from tests.instance import ROOT
from tests.setup.lock import pinned

pytestmark = pytest.mark.audit


@pytest.fixture(scope="module")
def sbom() -> Any:
    """What `make sbom` wrote, which its own tool checks against CycloneDX's schema."""
    return json.loads((ROOT / "build/sbom.cdx.json").read_text(encoding="utf-8"))


def test_components(sbom: Any) -> None:
    """It lists the versions of the image's lock, each with a purl and, where known, a license."""
    components = sbom["components"]
    found = {one["name"].lower().replace("_", "-"): one["version"] for one in components}
    assert found == pinned("server.txt")
    without = {one["name"] for one in components if "licenses" not in one}
    assert without <= {"protobuf"}  # its package does not say: it is BSD-3-Clause
    assert all(one["purl"].startswith("pkg:pypi/") for one in components)


def test_dependencies(sbom: Any) -> None:
    """The function is the root, and the rest hangs on it."""
    root = sbom["metadata"]["component"]
    assert (root["name"], root["type"]) == ("function", "application")
    depends_on = {one["ref"]: one.get("dependsOn", []) for one in sbom["dependencies"]}
    reached, waiting = set(), [root["bom-ref"]]
    while waiting:
        ref = waiting.pop()
        reached.add(ref)
        waiting.extend(set(depends_on[ref]) - reached)
    assert reached >= {one["bom-ref"] for one in sbom["components"] if "pg8000" in one["name"]}
    assert len(reached) > 10
