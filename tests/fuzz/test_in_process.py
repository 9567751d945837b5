"""The protocol and the application in one process: a split changes no answer."""

import asyncio
import logging
from collections import Counter
from typing import Any, cast

import pytest

from function.http.asgi import create_application
from function.settings import load
from function.store import Store
from tests.fuzz.answers import PROTOCOL, Outcome, disagree, read_answers
from tests.fuzz.batches import run_batch
from tests.fuzz.conftest import Amount
from tests.fuzz.connections import Connection, connections
from tests.unit.test_http_protocol import Make, Recorder, server
from tests.unit.test_service import Rows

PATIENCE = 20  # seconds of a busy machine until a connection counts as hanging

pytestmark = [
    pytest.mark.fuzz,
    pytest.mark.timeout(0),
    pytest.mark.filterwarnings("ignore:Generating overly large repr"),
]


class ReadyRows(Rows):
    async def is_ready(self) -> bool:
        return True


async def talk(make: Make, connection: Connection) -> list[Outcome]:
    """Pass on the parts as an event loop does; return the answers."""
    served, recorder = make(), Recorder()
    served.connection_made(recorder)
    for part in connection.parts():
        if not part or has_ended(recorder):
            continue
        served.data_received(part)
        await asyncio.sleep(0)
        await wait_until(lambda: recorder.reading or has_ended(recorder))
    if served.eof_received():
        await wait_until(lambda: has_ended(recorder))
    served.connection_lost(None)
    return read_answers(b"".join(recorder.writes))


def has_ended(recorder: Recorder) -> bool:
    """Whether the answers have ended, though the host may read on for a moment."""
    return recorder.closed or recorder.ended


async def wait_until(condition: Any) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - a transport has no event
            await asyncio.sleep(0)


def test_splits_change_no_answer(amount: Amount, caplog: pytest.LogCaptureFixture) -> None:
    seen: Counter[int] = Counter()
    sent = 0
    seed = amount.seed

    def check(connection: Connection) -> None:
        nonlocal sent
        sent += connection.requests
        split, whole = runner.run(both(connection))
        seen.update(answer.status for answer in split)
        failures = [one for one in split if one.status >= 500 and one.status not in PROTOCOL]
        assert failures == [], f"{split} for {connection.data!r}"
        assert not disagree(whole, split), (
            f"{whole}, or in the parts {connection.cuts} {split}, for {connection.data!r}"
        )
        assert [record for record in caplog.records if record.exc_info] == [], connection.data

    async def both(connection: Connection) -> tuple[list[Outcome], list[Outcome]]:
        make, _ = server(application)
        return await talk(make, connection), await talk(make, connection._replace(cuts=()))

    settings = load({"DATABASE_URL": "postgresql://u@localhost/db"})
    application = create_application(settings, cast(Store, ReadyRows()))
    with asyncio.Runner() as runner, caplog.at_level(logging.ERROR):
        while sent < amount.requests:
            run_batch(seed, connections(), check)
            seed += 1

    assert {200, 400, 404, 405, 415, 422} <= seen.keys(), seen
    print(f"\n{sent} requests in process, split and whole: {dict(sorted(seen.items()))}")
