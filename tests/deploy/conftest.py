"""Deployments rendered once for all tests; needs kustomize and helm."""

import pytest

from dev.manifests import KNATIVE, PRODUCTION, kustomized, templated
from tests.deploy.manifests import Manifest, parse


@pytest.fixture(scope="session")
def production() -> list[Manifest]:
    """What deploy/knative/overlays/production renders."""
    return parse(kustomized(KNATIVE / "overlays/production"))


@pytest.fixture(scope="session")
def local() -> list[Manifest]:
    """What deploy/knative/overlays/local renders."""
    return parse(kustomized(KNATIVE / "overlays/local"))


@pytest.fixture(scope="session")
def eventing() -> list[Manifest]:
    """What deploy/knative/eventing renders."""
    return parse(kustomized(KNATIVE / "eventing"))


@pytest.fixture(scope="session")
def chart() -> list[Manifest]:
    """What the Helm chart renders with the values of its example."""
    return parse(templated("--values", PRODUCTION))
