"""Requests that wait for a slow model do not block other requests or probes."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psutil
import pytest

from function.llm.client import CONNECTIONS
from tests.instance import FEEDBACK, PATH, STUDENT, Answer, Instance, running
from tests.llm.conftest import llm_environ, post
from tests.llm.server import ModelServer, answers
from tests.waiting import wait_until

REQUESTS = 200
BATCH = 280  # events; two batches need more connections than there are
WARM_UP = 5  # requests
PROBES = 100
RSS_LIMIT = 20.0  # MB


def test_slow_model(
    llm_database: str,
    tmp_path: Path,
    model_server: ModelServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """200 requests wait at once, in bounded memory and threads, while probes are answered."""
    environ = llm_environ("openai", model_server.url, LLM_TIMEOUT="20", DATABASE_TIMEOUT="4")
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


def test_no_free_connection(llm_database: str, tmp_path: Path, model_server: ModelServer) -> None:
    """A request that finds no free connection does not open the circuit."""
    left_over = 2 * BATCH - CONNECTIONS
    full = threading.Event()
    model_server.behavior = answers(once=full)
    environ = llm_environ("openai", model_server.url, LLM_TIMEOUT="20", DATABASE_TIMEOUT="4")
    with running(tmp_path / "log", llm_database, **environ) as function:
        function.wait_until_ready()
        with ThreadPoolExecutor() as pool:
            batches = pool.map(partial(_post_batch, function), "ab")
            wait_until(lambda: function.log.count('"reason":"busy"') == left_over)
            full.set()
            answered = [answer.json() for answer in batches]
        based = [one["strategy_snapshot"]["feedback_based"] for batch in answered for one in batch]
        assert (len(based), sum(based)) == (2 * BATCH, CONNECTIONS)
        reasons = [event["reason"] for event in function.events() if "reason" in event]
        assert reasons == ["busy"] * left_over
        model_server.behavior = answers()
        assert post(function, "next").json()["strategy_snapshot"]["feedback_based"]


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
