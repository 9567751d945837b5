"""Repeats of a request at the same time ask the model once."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from function.analysis import NEUTRAL_STRATEGY
from function.feedback import Feedback, Strategy
from function.http.access import Access
from function.http.handler import Handler
from function.http.messages import Request, Response
from function.http.origins import Origins
from tests.instance import FEEDBACK, PATH
from tests.integration.test_store import opened, query


class SlowAnalyzer:
    """Takes a moment, and counts."""

    def __init__(self) -> None:
        self.count = 0
        self.asked = asyncio.Semaphore(0)
        self.may_answer = asyncio.Event()

    async def analyze(self, feedback: Feedback) -> Strategy:
        self.count += 1
        self.asked.release()
        await self.may_answer.wait()
        return NEUTRAL_STRATEGY

    async def close(self) -> None:
        pass


def request(message: str = "too hard") -> Request:
    async def read() -> bytes:
        return json.dumps({**FEEDBACK, "message": message}).encode()

    return Request("POST", PATH, {"idempotency-key": "the same"}, read)


Act = Callable[[Handler, SlowAnalyzer], Awaitable[list[Response]]]


def answers(url: str, act: Act) -> tuple[list[Response], int]:
    """What the requests of `act` are answered, and how many questions they cost."""

    async def run() -> tuple[list[Response], int]:
        async with opened(url) as store:
            analyzer = SlowAnalyzer()
            found = await act(Handler(analyzer, store, Access(Origins(())), docs=False), analyzer)
            return found, analyzer.count

    return asyncio.run(run())


async def begin(
    handler: Handler, analyzer: SlowAnalyzer, count: int
) -> list[asyncio.Task[Response]]:
    """Send so many requests, and return when the model is being asked."""
    tasks = [asyncio.create_task(handler.handle(request())) for _ in range(count)]
    await analyzer.asked.acquire()
    return tasks


def test_ten_repeats_at_once_ask_once_and_get_one_answer(feedback_database: str) -> None:
    async def ten(handler: Handler, analyzer: SlowAnalyzer) -> list[Response]:
        tasks = await begin(handler, analyzer, 10)
        analyzer.may_answer.set()
        return await asyncio.gather(*tasks)

    found, asked = answers(feedback_database, ten)
    assert asked == 1
    assert {response.status for response in found} == {200}
    assert len({response.body for response in found}) == 1
    assert query(feedback_database, "SELECT count(*) FROM feedback") == [[1]]


def test_the_analysis_goes_on_when_the_first_client_goes_away(feedback_database: str) -> None:
    async def first_goes(handler: Handler, analyzer: SlowAnalyzer) -> list[Response]:
        first, *others = await begin(handler, analyzer, 3)
        first.cancel()
        await asyncio.sleep(0)
        analyzer.may_answer.set()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await asyncio.gather(*others)

    found, asked = answers(feedback_database, first_goes)
    assert asked == 1
    assert {response.status for response in found} == {200}


def test_another_payload_under_the_key_gets_no_strategy_of_the_first(
    feedback_database: str,
) -> None:
    async def two(handler: Handler, analyzer: SlowAnalyzer) -> list[Response]:
        [first] = await begin(handler, analyzer, 1)
        second = asyncio.create_task(handler.handle(request("too easy")))
        await analyzer.asked.acquire()
        analyzer.may_answer.set()
        return [await first, await second]

    found, _ = answers(feedback_database, two)
    assert sorted(response.status for response in found) == [200, 422]
