"""A trial finds what it looks for."""

from collections.abc import Iterator
from functools import partial

import pytest

from tests.chaos.deployment import Deployment, deployed, server
from tests.chaos.fault import Fault, NotInjected, Stage
from tests.chaos.trial import Extent, run
from tests.waiting import wait_until

EXTENT = Extent(80, 0.5)
ONE = "(SELECT id FROM feedback ORDER BY created_at LIMIT 1)"
COLUMNS = "student_id, task_id, message, perceived_difficulty, strategy_snapshot"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with server() as postgres, deployed(postgres, tmp_path_factory.mktemp("chaos")) as found:
        yield found


@pytest.fixture(autouse=True)
def empty(deployment: Deployment) -> None:
    deployment.run("TRUNCATE feedback")


def spoil(deployment: Deployment, sql: str, _hold: float) -> str:
    wait_until(lambda: deployment.run("SELECT EXISTS (SELECT FROM feedback)") == [[True]])
    deployment.run(sql)
    return sql


def test_no_fault(deployment: Deployment) -> None:
    fault = Fault("none", partial(spoil, deployment, "SELECT 1"))
    outcome = run(fault, Stage(deployment, [fault]), EXTENT)
    assert outcome.problems() == []
    assert outcome.posts >= EXTENT.posts


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        (f"DELETE FROM feedback WHERE id = {ONE}", "1 acknowledged posts are lost"),
        (
            f"INSERT INTO feedback ({COLUMNS}) SELECT {COLUMNS} FROM feedback WHERE id = {ONE}",
            "1 posts are doubled",
        ),
    ],
)
def test_lost_or_doubled(deployment: Deployment, sql: str, problem: str) -> None:
    fault = Fault("spoiled", partial(spoil, deployment, sql))
    outcome = run(fault, Stage(deployment, [fault]), EXTENT)
    assert outcome.problems() == [f"spoiled: {problem}"]


def test_stored_but_not_acknowledged(deployment: Deployment) -> None:
    """The row of a post that no client has made counts as that, and is no problem."""
    sql = (
        f"INSERT INTO feedback ({COLUMNS}) SELECT student_id, task_id, 'other',"
        f" perceived_difficulty, strategy_snapshot FROM feedback WHERE id = {ONE}"
    )
    fault = Fault("more", partial(spoil, deployment, sql))
    outcome = run(fault, Stage(deployment, [fault]), EXTENT)
    assert (outcome.unacknowledged, outcome.problems()) == (1, [])


def test_a_fault_that_did_not_happen(deployment: Deployment) -> None:
    def inject(_hold: float) -> str:
        raise NotInjected("not so: it rained")

    fault = Fault("rain", inject)
    outcome = run(fault, Stage(deployment, [fault]), EXTENT)
    assert outcome.problems() == ["rain: the fault did not happen, not so: it rained"]
