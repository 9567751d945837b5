"""Two hundred requests that wait for a slow model share one instance with the probes."""

import asyncio
import json
import threading
import time
from pathlib import Path
from statistics import median, quantiles

import psutil
import pytest

from tests.instance import FEEDBACK, PATH, Instance, running
from tests.llm import probes
from tests.llm.conftest import llm_environ, post
from tests.llm.server import ModelServer, answers

REQUESTS = 200
WARM_UP = 5  # requests
MODEL_TAKES = 5.0  # seconds
PROBED = 2.0  # seconds
RSS_LIMIT = 20.0  # MB
NOISE = 0.05  # seconds: what this machine's other work may cost a probe


def test_two_hundred_wait_together(
    llm_database: str,
    tmp_path: Path,
    model_server: ModelServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environ = llm_environ("openai", model_server.url, LLM_TIMEOUT="10")
    with running(tmp_path / "log", llm_database, **environ) as function:
        function.wait_until_ready()
        for _ in range(WARM_UP):
            assert post(function, "warm up").status == 200
        process = psutil.Process(function.process.pid)
        rss, threads = process.memory_info().rss, process.num_threads()
        alone = probes.finish(probes.start(function.port, PROBED))

        model_server.behaviour = answers(after=MODEL_TAKES)
        load = Load(function)
        load.start()
        while load.is_alive() and len(model_server.requests) < REQUESTS + WARM_UP:
            time.sleep(0.01)
        beside = probes.finish(probes.start(function.port, PROBED))
        load.join()

        assert load.statuses == [200] * REQUESTS
        assert load.seconds < 2 * MODEL_TAKES
        assert process.num_threads() <= threads + 1
        grown = (process.memory_info().rss - rss) / 1e6
        with capsys.disabled():
            print(
                f"\n{REQUESTS} requests that wait {MODEL_TAKES:g} s: {load.seconds:.1f} s, "
                f"RSS +{grown:.1f} MB, probes p50 {median(beside) * 1e3:.1f} ms, "
                f"p99 {p99(beside) * 1e3:.1f} ms "
                f"(before: {median(alone) * 1e3:.1f} and {p99(alone) * 1e3:.1f} ms)"
            )
        assert grown < RSS_LIMIT
        assert p99(beside) < 2 * p99(alone) + NOISE
        assert function.terminate() == 0


class Load(threading.Thread):
    """All requests at once, each on a connection of its own."""

    def __init__(self, function: Instance) -> None:
        super().__init__()
        self._port = function.port
        self.statuses: list[int] = []
        self.seconds = 0.0

    def run(self) -> None:
        started = time.monotonic()
        self.statuses = asyncio.run(self._send_all())
        self.seconds = time.monotonic() - started

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


def p99(seconds: list[float]) -> float:
    return quantiles(seconds, n=100)[-1]
