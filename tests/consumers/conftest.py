"""One run for all tests, and a table of what each program has sent or read in it."""

from collections.abc import Iterator

import pytest

from tests.consumers.scenario import Run, event_id, finished_run
from tests.report import print_table

HEADER = ["program", "kills and stops", "events", "repeats", "skipped", "restarts"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=2, help="of kills, with 600 posts each")


@pytest.fixture(scope="session")
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    rounds = request.config.getoption("rounds")
    with finished_run(tmp_path_factory.mktemp("run"), rounds) as run:
        yield run
        print_table(request, HEADER, table(run, rounds))


def table(run: Run, rounds: int) -> list[list[str]]:
    ids = run.ids()
    sent = [one for one in map(event_id, run.records) if one in ids]
    lines: list[list[object]] = [
        ["Debezium", rounds, len(ids), len(sent) - len(ids), "", ""],
        ["JDBC sink", rounds, len(run.sink.ids() & ids), "", "", ""],
    ]
    for name, group in run.groups.items():
        handled = group.handled()
        events = len({*handled})
        repeats, skipped = len(handled) - events, len(group.skipped)
        lines.append([name, 2 * rounds, events, repeats, skipped, group.restarts])
    return [[*map(str, line)] for line in lines]
