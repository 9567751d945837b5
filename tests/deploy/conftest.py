"""Deployments rendered once for all tests; needs kustomize and helm."""

import pytest

from dev.manifests import KNATIVE, PRODUCTION, kustomized, templated
from tests.deploy.manifests import Manifest, parse


@pytest.fixture(scope="session")
def production() -> list[Manifest]:
    """The objects of deploy/knative/overlays/production."""
    return parse(kustomized(KNATIVE / "overlays/production"))


@pytest.fixture(scope="session")
def local() -> list[Manifest]:
    """The objects of deploy/knative/overlays/local."""
    return parse(kustomized(KNATIVE / "overlays/local"))


@pytest.fixture(scope="session")
def eventing() -> list[Manifest]:
    """The objects of deploy/knative/eventing."""
    return parse(kustomized(KNATIVE / "eventing"))


@pytest.fixture(scope="session")
def chart() -> list[Manifest]:
    """The objects of the Helm chart with the values of its example."""
    return parse(templated("--values", PRODUCTION))
