"""The Service, checked by the code of Knative Serving and Kubernetes, without a cluster."""

import copy
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dev.manifests import CHART, KNATIVE, PRODUCTION, kustomized, templated
from dev.tools import go
from tests.deploy.manifests import Manifest, container, find, parse
from tests.deploy.schemas import VENDORED

pytestmark = pytest.mark.deploy
MODULE = Path(__file__).parent / "serving"
LOCAL = CHART / "examples/local.yaml"
Refused = Callable[[Manifest], list[str]]


def test_versions() -> None:
    """Serving's code and the schema have the same version."""
    module = (MODULE / "go.mod").read_text(encoding="utf-8")
    [version] = re.findall(r"knative\.dev/serving v(\S+)", module)
    assert (VENDORED / f"serving-{version}.schema.json").exists()


@pytest.fixture(scope="session")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Refused:
    """Return a function that lists problems of the webhook, or of the API server."""
    program = tmp_path_factory.mktemp("serving") / "serving"
    go(MODULE, "build", "-o", program)

    def run(service: Manifest) -> list[str]:
        done = subprocess.run(
            [program], input=json.dumps(service), capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    return run


def service(rendered: str) -> Manifest:
    return find(parse(rendered), "Service")


def with_container(changes: dict[str, Any]) -> Manifest:
    changed = copy.deepcopy(service(kustomized(KNATIVE / "overlays/production")))
    container(changed).update(changes)
    return changed


@pytest.mark.timeout(1800)  # the first of them builds the program
@pytest.mark.parametrize("overlay", ["production", "local"])
def test_kustomize(overlay: str, refused: Refused) -> None:
    """The Services of kustomize are accepted."""
    assert refused(service(kustomized(KNATIVE / "overlays" / overlay))) == []


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("values", [PRODUCTION, LOCAL], ids=lambda path: path.stem)
def test_helm(values: Path, refused: Refused) -> None:
    """The Services of the Helm chart are accepted."""
    assert refused(service(templated("--values", values))) == []


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        # The API server refuses this one, because Serving sets no port here.
        ({"startupProbe": {"httpGet": {"path": "/"}}}, "startupProbe.httpGet.port"),
        # The webhook refuses this one.
        ({"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}, "lifecycle"),
    ],
)
def test_refused(changes: dict[str, Any], field: str, refused: Refused) -> None:
    """Invalid fields are found."""
    assert any(field in problem for problem in refused(with_container(changes)))
