"""Requests that wait for a slow model do not block other requests or probes."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psutil
import pytest

from function.llm_settings import CONCURRENCY
from tests.instance import FEEDBACK, PATH, STUDENT, Answer, Instance, running
from tests.llm.conftest import llm_environ, post
from tests.llm.server import ModelServer, answers
from tests.waiting import wait_until

REQUESTS = 200
BATCH = 280  # events; two batches need more places than there are
WARM_UP = 5  # requests
PROBES = 100
RSS_LIMIT = 20.0  # MB
PLACES = 4  # the default for a server of one's own
STUDENTS = 100
PATIENT = {"LLM_TIMEOUT": "20", "DATABASE_TIMEOUT": "4"}  # for a busy machine


def test_slow_model(
    llm_database: str,
    tmp_path: Path,
    model_server: ModelServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """200 requests wait at once, in bounded memory and threads, while probes are answered."""
    environ = llm_environ("openai", model_server.url, LLM_CONCURRENCY="500", **PATIENT)
    with running(tmp_path / "log", llm_database, **environ) as function:
        function.wait_until_ready()
        for _ in range(WARM_UP):
            assert post(function, "warm up").status == 200
        process = psutil.Process(function.process.pid)
        rss, threads = process.memory_info().rss, process.num_threads()
        enough = threading.Event()
        model_server.behavior = answers(once=enough)
        load = Load(function)
        load.start()
        wait_until(lambda: len(model_server.requests) == REQUESTS + WARM_UP)
        statuses = [function.get("/health/liveness").status for _ in range(PROBES)]
        enough.set()
        load.join()

        assert statuses == [200] * PROBES
        assert load.statuses == [200] * REQUESTS
        assert process.num_threads() <= threads + 1
        grown = (process.memory_info().rss - rss) / 1e6
        with capsys.disabled():
            print(f"\n{REQUESTS} requests that wait together: RSS +{grown:.1f} MB")
        assert grown < RSS_LIMIT
        reasons = [event["reason"] for event in function.events() if "reason" in event]
        assert reasons == []  # all answers are based on the model's
        assert function.terminate() == 0


def test_four_places(llm_database: str, tmp_path: Path, model_server: ModelServer) -> None:
    """A server with four places gets four questions; others are stored early, without blame."""
    stored = threading.Event()
    model_server.behavior = answers(once=stored)
    environ = llm_environ("openai", model_server.url, **PATIENT)
    with (
        running(tmp_path / "log", llm_database, **environ) as function,
        ThreadPoolExecutor(STUDENTS) as pool,
    ):
        function.wait_until_ready()
        sent = [pool.submit(post, function, f"message {number}") for number in range(STUDENTS)]
        wait_until(lambda: function.log.count('"reason":"busy"') == STUDENTS - PLACES)
        asked = len(model_server.requests)
        stored.set()
        based = [is_based(answer.result()) for answer in sent]
        assert (asked, sum(based)) == (PLACES, PLACES)
        assert "circuit open" not in function.log
        assert is_based(post(function, "next"))
        waited = [event["duration_ms"] for event in function.events() if "reason" in event]
        assert max(waited) < 15_000  # LLM_TIMEOUT is 20 s, and the queue's share 5 s


def test_place_in_time(llm_database: str, tmp_path: Path, model_server: ModelServer) -> None:
    """A question waits for a place that gets free soon."""
    model_server.behavior = answers(after=0.5)
    environ = llm_environ("openai", model_server.url, LLM_CONCURRENCY="1", **PATIENT)
    with (
        running(tmp_path / "log", llm_database, **environ) as function,
        ThreadPoolExecutor(3) as pool,
    ):
        function.wait_until_ready()
        answered = list(pool.map(partial(post, function), "abc"))
        assert [is_based(answer) for answer in answered] == [True] * 3


def test_no_free_place(llm_database: str, tmp_path: Path, model_server: ModelServer) -> None:
    """A request that finds no place among the most that can be does not open the circuit."""
    left_over = 2 * BATCH - CONCURRENCY
    full = threading.Event()
    model_server.behavior = answers(once=full)
    environ = llm_environ("openai", model_server.url, LLM_CONCURRENCY="500", **PATIENT)
    with running(tmp_path / "log", llm_database, **environ) as function:
        function.wait_until_ready()
        with ThreadPoolExecutor() as pool:
            batches = pool.map(partial(_post_batch, function), "ab")
            wait_until(lambda: function.log.count('"reason":"busy"') == left_over)
            full.set()
            answered = [answer.json() for answer in batches]
        based = [one["strategy_snapshot"]["feedback_based"] for batch in answered for one in batch]
        assert (len(based), sum(based)) == (2 * BATCH, CONCURRENCY)
        reasons = [event["reason"] for event in function.events() if "reason" in event]
        assert reasons == ["busy"] * left_over
        model_server.behavior = answers()
        assert is_based(post(function, "next"))


def is_based(answer: Answer) -> bool:
    """Whether the strategy is the model's."""
    return bool(answer.json()["strategy_snapshot"]["feedback_based"])


def _post_batch(function: Instance, source: str) -> Answer:
    event = {"specversion": "1.0", "type": "mentor.feedback.submitted", "source": source}
    data = {"student_id": STUDENT, "task_id": "t", "message": "m"}
    events = [{**event, "id": str(number), "data": data} for number in range(BATCH)]
    headers = {"Content-Type": "application/cloudevents-batch+json"}
    return function.request("POST", "/", json.dumps(events).encode(), headers)


class Load(threading.Thread):
    """Sends all requests at once, each on its own connection."""

    def __init__(self, function: Instance) -> None:
        super().__init__()
        self._port = function.port
        self.statuses: list[int] = []

    def run(self) -> None:
        self.statuses = asyncio.run(self._send_all())

    async def _send_all(self) -> list[int]:
        return await asyncio.gather(*(self._send() for _ in range(REQUESTS)))

    async def _send(self) -> int:
        body = json.dumps(FEEDBACK).encode()
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(head.encode() + body)
        status = int((await reader.readline()).split()[1])
        writer.close()
        return status
