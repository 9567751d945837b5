"""The main path, with a dictionary for the store and a list for the model."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import cast
from uuid import UUID

import pytest

from function.analysis import NEUTRAL_STRATEGY
from function.domain import Concern, Entry, Feedback, Stored, StoredEntry, Strategy
from function.errors import IdempotencyKeyReused, Unavailable
from function.service import Service, Submission
from function.store import Store

STUDENT = UUID("550e8400-e29b-41d4-a716-446655440000")
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TIMEOUT = 10.0
CONCERNS = {"he hits me": Concern.ABUSE, "nobody looked": Concern.UNASSESSED}


class Rows(Stored):
    """A store that inserts as PostgreSQL does, and notes how long each request may wait."""

    patience: float

    def deadline(self) -> float:
        return asyncio.get_running_loop().time() + TIMEOUT

    async def find(self, ids: Collection[UUID], deadline: float) -> Stored:
        await asyncio.sleep(0)
        return {row_id: self[row_id] for row_id in ids if row_id in self}

    async def insert(self, entries: Sequence[Entry], deadline: float) -> Stored:
        self.patience = deadline - asyncio.get_running_loop().time()
        found = await self.find([entry.id for entry in entries], deadline)
        self.update({it.id: StoredEntry(it, "now", True) for it in entries if it.id not in found})
        return {it.id: found.get(it.id) or self[it.id]._replace(repeated=False) for it in entries}


class Late(Rows):
    """Stores the row, but does not confirm it in time."""

    async def insert(self, entries: Sequence[Entry], deadline: float) -> Stored:
        await super().insert(entries, deadline)
        raise Unavailable("late")


class Down(Rows):
    async def insert(self, entries: Sequence[Entry], deadline: float) -> Stored:
        raise Unavailable("down")


class Model:
    """Answers, or fails, when it may."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[str] = []
        self.questions = asyncio.Semaphore(0)
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._error = error

    async def analyze(self, feedback: Feedback) -> Strategy:
        self.asked.append(feedback.message)
        self.questions.release()
        await self.may_answer.wait()
        if self._error:
            raise self._error
        concern = CONCERNS.get(feedback.message, Concern.NONE)
        return NEUTRAL_STRATEGY._replace(sentiment=feedback.message, concern=concern)

    async def close(self) -> None:
        """There is nothing to close."""


def new(number: int, message: str = "hard") -> Submission:
    return Submission(UUID(int=number), Feedback(STUDENT, "task", message), TRACEPARENT)


def keyed(number: int, message: str = "hard", span_id: str = "") -> Submission:
    one = new(number, message)
    return one._replace(repeatable=True, key_name="this key", span_id=span_id)


def run(
    act: Callable[[Service, Model], Awaitable[object]],
    rows: Rows | None = None,
    error: Exception | None = None,
) -> list[str]:
    """Let a service act, and return what the model was asked."""

    async def main() -> list[str]:
        model = Model(error)
        await act(Service(model, cast("Store", Rows() if rows is None else rows)), model)
        return model.asked

    return asyncio.run(main())


def test_new_feedback_is_analyzed_and_stored() -> None:
    rows = Rows()

    async def act(service: Service, _: Model) -> None:
        [row] = await service.keep([new(1, "easy")])
        strategy = NEUTRAL_STRATEGY._replace(sentiment="easy", concern=Concern.NONE)
        assert row.entry == Entry(*new(1, "easy")[:2], strategy, TRACEPARENT)
        assert (rows[row.entry.id].entry, row.repeated) == (row.entry, False)

    assert run(act, rows) == ["easy"]


def test_a_repeat_gets_the_stored_row_and_no_analysis() -> None:
    async def act(service: Service, _: Model) -> None:
        [first] = await service.keep([keyed(1)])
        [second] = await service.keep([keyed(1)])
        assert second == first._replace(repeated=True)

    assert run(act) == ["hard"]


@pytest.mark.parametrize(
    "other", [keyed(1, "easy"), keyed(1, span_id="b" * 16)], ids=["text", "payload"]
)
def test_a_key_with_another_payload_is_refused(other: Submission) -> None:
    async def act(service: Service, _: Model) -> None:
        await service.keep([keyed(1)])
        with pytest.raises(IdempotencyKeyReused, match="this key was used with another payload"):
            await service.keep([other])

    assert run(act) == ["hard"]


def test_a_task_id_is_part_of_the_payload() -> None:
    other = keyed(1)._replace(feedback=Feedback(STUDENT, "other", "hard"))

    async def act(service: Service, _: Model) -> None:
        await service.keep([keyed(1)])
        with pytest.raises(IdempotencyKeyReused):
            await service.keep([other])

    run(act)


async def begin(
    service: Service, model: Model, *submissions: Submission
) -> list[asyncio.Task[list[StoredEntry]]]:
    """Send each in a request of its own, and return when the model is asked."""
    model.may_answer.clear()
    tasks = [asyncio.create_task(service.keep([one])) for one in submissions]
    await model.questions.acquire()
    return tasks


def test_concurrent_repeats_ask_once_and_one_of_them_inserts() -> None:
    async def act(service: Service, model: Model) -> None:
        tasks = await begin(service, model, *[keyed(1)] * 10)
        model.may_answer.set()
        rows = [row for [row] in await asyncio.gather(*tasks)]
        assert len({(row.entry.id, row.created_at) for row in rows}) == 1

    assert run(act) == ["hard"]


def test_the_analysis_continues_when_the_first_client_disconnects() -> None:
    async def act(service: Service, model: Model) -> None:
        first, *others = await begin(service, model, *[keyed(1)] * 3)
        first.cancel()
        await asyncio.sleep(0)
        model.may_answer.set()
        assert len(await asyncio.gather(*others)) == 2

    assert run(act) == ["hard"]


def test_of_concurrent_requests_with_one_key_and_two_payloads_one_is_refused() -> None:
    async def act(service: Service, model: Model) -> None:
        first, second = await begin(service, model, keyed(1, "hard"), keyed(1, "easy"))
        model.may_answer.set()
        [row] = await first
        assert row.entry.strategy.sentiment == "hard"
        with pytest.raises(IdempotencyKeyReused):
            await second

    assert sorted(run(act)) == ["easy", "hard"]


def test_a_repeat_during_the_insert_asks_nothing() -> None:
    class Slow(Rows):
        async def insert(self, entries: Sequence[Entry], deadline: float) -> Stored:
            inserting.set()
            await may_insert.wait()
            return await super().insert(entries, deadline)

    inserting, may_insert = asyncio.Event(), asyncio.Event()

    async def act(service: Service, _: Model) -> None:
        first = asyncio.create_task(service.keep([keyed(1)]))
        await inserting.wait()
        second = asyncio.create_task(service.keep([keyed(1)]))
        for _turn in range(5):
            await asyncio.sleep(0)
        may_insert.set()
        await asyncio.gather(first, second)

    assert run(act, Slow()) == ["hard"]


def test_requests_without_a_key_never_share_an_analysis() -> None:
    async def act(service: Service, model: Model) -> None:
        await asyncio.gather(*[service.keep([new(number)]) for number in (1, 2)])

    assert run(act) == ["hard", "hard"]


def test_a_batch_keeps_its_order_and_analyzes_an_event_once() -> None:
    async def act(service: Service, _: Model) -> None:
        await service.keep([keyed(1, "old")])
        rows = await service.keep([keyed(2, "new"), keyed(1, "old"), keyed(2, "new")])
        assert [(row.entry.feedback.message, row.repeated) for row in rows] == [
            ("new", False),
            ("old", True),
            ("new", False),
        ]

    assert run(act) == ["old", "new"]


def test_the_analyses_of_a_batch_run_together() -> None:
    async def act(service: Service, model: Model) -> None:
        model.may_answer.clear()
        task = asyncio.create_task(service.keep([keyed(number) for number in range(1, 4)]))
        for _question in range(3):
            await model.questions.acquire()
        model.may_answer.set()
        await task

    run(act)


def test_a_batch_with_a_conflict_stores_nothing() -> None:
    rows = Rows()

    async def act(service: Service, _: Model) -> None:
        await service.keep([keyed(1, "old")])
        with pytest.raises(IdempotencyKeyReused):
            await service.keep([keyed(2), keyed(1, "other")])
        assert {*rows} == {UUID(int=1)}

    assert run(act, rows) == ["old"]


def test_an_empty_batch_is_nothing() -> None:
    async def act(service: Service, _: Model) -> None:
        assert await service.keep([]) == []

    assert run(act) == []


@pytest.mark.parametrize("one", [new(1), keyed(1)], ids=["new", "keyed"])
def test_a_bug_in_the_analysis_is_raised_and_nothing_is_stored(one: Submission) -> None:
    rows = Rows()

    async def act(service: Service, _: Model) -> None:
        with pytest.raises(ZeroDivisionError):
            await service.keep([one])

    assert run(act, rows, ZeroDivisionError()) == ["hard"]
    assert rows == {}


def test_a_store_that_is_down_is_unavailable() -> None:
    async def act(service: Service, _: Model) -> None:
        with pytest.raises(Unavailable):
            await service.keep([new(1)])

    assert run(act, Down()) == ["hard"]


def test_the_analysis_takes_no_time_from_the_database() -> None:
    rows = Rows()

    async def act(service: Service, model: Model) -> None:
        [task] = await begin(service, model, new(1))
        await asyncio.sleep(0.2)
        model.may_answer.set()
        await task

    run(act, rows)
    assert rows.patience > TIMEOUT - 0.2


def concerns(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int, str]]:
    fields = [(record.getMessage(), vars(record)) for record in caplog.records]
    return [(event, UUID(it["row_id"]).int, it["concern"]) for event, it in fields]


def test_a_concern_is_logged_once_with_its_row(caplog: pytest.LogCaptureFixture) -> None:
    async def act(service: Service, model: Model) -> None:
        tasks = await begin(service, model, *[keyed(1, "he hits me")] * 10)
        model.may_answer.set()
        await asyncio.gather(*tasks)
        await service.keep([keyed(1, "he hits me"), keyed(2, "hard"), keyed(3, "nobody looked")])

    run(act)
    assert concerns(caplog) == [("concern stored", 1, "abuse")]


@pytest.mark.parametrize("rows", [Down(), Late()], ids=["down", "late"])
def test_a_concern_without_a_confirmed_row_is_logged(
    rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(service: Service, _: Model) -> None:
        with pytest.raises(Unavailable):
            await service.keep([keyed(1, "he hits me"), keyed(2, "hard")])

    run(act, rows)
    assert concerns(caplog) == [("concern not stored", 1, "abuse")]


def test_a_concern_in_a_refused_payload_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def act(service: Service, model: Model) -> None:
        first, second = await begin(service, model, keyed(1, "hard"), keyed(1, "he hits me"))
        model.may_answer.set()
        await first
        with pytest.raises(IdempotencyKeyReused):
            await second

    run(act)
    assert concerns(caplog) == [("concern not stored", 1, "abuse")]


def test_a_concern_that_only_the_slower_of_two_instances_found_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    feedback = keyed(1, "he hits me").feedback
    row = StoredEntry(Entry(UUID(int=1), feedback, NEUTRAL_STRATEGY, TRACEPARENT), "now", True)

    class Slower(Rows):
        async def insert(self, entries: Sequence[Entry], deadline: float) -> Stored:
            self[row.entry.id] = row
            return await super().insert(entries, deadline)

    async def act(service: Service, _: Model) -> None:
        await service.keep([keyed(1, "he hits me")])

    run(act, Slower())
    assert concerns(caplog) == [("concern not stored", 1, "abuse")]
