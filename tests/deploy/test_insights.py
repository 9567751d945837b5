"""deploy/insights: CronJobs that Kubernetes accepts, and that run commands that exist."""

import pytest

from insights.options import parse as parse_arguments
from tests.deploy.manifests import parse
from tests.deploy.schemas import Manifest, problems
from tests.instance import ROOT

JOBS = parse((ROOT / "deploy/insights/cronjobs.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job["metadata"]["name"])
def test_job(job: Manifest) -> None:
    """Each job is valid, and has no rights but those of its role in the database."""
    assert problems(job) == []
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["automountServiceAccountToken"] is False
    options = parse_arguments(container["args"])
    secret = pod["volumes"][0]["secret"]["secretName"]
    assert secret == ("mentor-reader" if options.command == "report" else "mentor-owner")


def test_reports() -> None:
    """There is a report of each kind of period, and each has a file of its own."""
    args = [
        job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]
        for job in JOBS
    ]
    reports = [found for found in map(parse_arguments, args) if found.command == "report"]
    assert {report.period for report in reports} == {"week", "month"}
    assert all("{start}" in report.output for report in reports)
    assert len({report.output for report in reports}) == 2
