"""docs/operations.md names the settings of the manifests."""

import re
from collections.abc import Mapping

import yaml

from tests.deploy.manifests import container, find, plain
from tests.instance import ROOT

GUIDE = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
PREFIX = re.compile(r"^(autoscaling\.knative\.dev/|com\.openfaas\.)")


def settings(node: object) -> dict[str, str]:
    """Return all names with plain values, at any depth, without the platforms' prefixes."""
    found: dict[str, str] = {}
    for name, value in node.items() if isinstance(node, Mapping) else ():
        inside = isinstance(value, Mapping)
        found |= settings(value) if inside else {PREFIX.sub("", name): str(value)}
    return found


def test_scale_to_zero() -> None:
    """Each setting in the table of scale to zero has that value."""
    [section] = re.findall(r"^## Scale to zero$.*?(?=^## )", GUIDE, re.MULTILINE | re.DOTALL)
    named = re.findall(r"`([\w.-]+): ([\w.]+)`", section)
    stack = yaml.safe_load((ROOT / "stack.yaml").read_text(encoding="utf-8"))
    service = find(plain("base/service.yaml"), "Service")
    actual = settings(service) | settings(stack)
    assert len(named) == 22
    assert [(name, actual.get(name)) for name, _ in named] == named


def test_query_of_the_log() -> None:
    """The query for concerns names the containers that log them."""
    guide = (ROOT / "docs/safeguarding.md").read_text(encoding="utf-8")
    [query] = re.findall(r'container=~"(.+?)"', guide)
    service = find(plain("base/service.yaml"), "Service")
    job = find(plain("components/reanalyze/cronjob.yaml"), "CronJob", "mentor-reanalyze")
    containers = [container(service), container(job["spec"]["jobTemplate"])]
    assert [one["name"] for one in containers] == query.split(r"\|")[:2]
