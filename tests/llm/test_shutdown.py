"""SIGTERM while requests wait for a model, or for a name server that hangs."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.instance import HOSTS, Instance, running
from tests.llm.conftest import llm_environ, post
from tests.llm.server import ModelServer, answers
from tests.waiting import wait_until

REQUESTS = 20
MODEL_TAKES = 4.5  # seconds; hypercorn's own limit is shorter
HANGING_DNS = Path(__file__).with_name("hanging_dns")


@pytest.mark.parametrize("host", HOSTS)
def test_waiting_requests(
    host: str, llm_database: str, tmp_path: Path, model_server: ModelServer
) -> None:
    """Requests that wait for the model are answered before the process ends."""
    model_server.behavior = answers(after=MODEL_TAKES)
    environ = llm_environ("openai", model_server.url, LLM_TIMEOUT="10", LLM_CONCURRENCY="20")
    with (
        running(tmp_path / "log", llm_database, host, **environ) as function,
        ThreadPoolExecutor(REQUESTS) as pool,
    ):
        function.wait_until_ready()
        sent = [pool.submit(post, function, f"message {number}") for number in range(REQUESTS)]
        wait_until(lambda: len(model_server.requests) == REQUESTS)
        assert function.terminate() == 0
        updates = [answer.result().json() for answer in sent]
        assert [update["sentiment"] for update in updates] == ["frustrated"] * REQUESTS


def test_name_server_hangs(llm_database: str, tmp_path: Path, model_server: ModelServer) -> None:
    """A name server that hangs delays neither answers nor the end, and blocks one thread."""
    url = f"http://hangs.test:{model_server.port}"
    environ = llm_environ(
        "openai", url, LLM_TIMEOUT="2", LLM_CONCURRENCY="20", PYTHONPATH=str(HANGING_DNS)
    )
    with (
        running(tmp_path / "log", llm_database, **environ) as function,
        ThreadPoolExecutor(REQUESTS) as pool,
    ):
        function.wait_until_ready()
        threads = _threads(function)
        started = time.monotonic()
        sent = [pool.submit(post, function, f"message {number}") for number in range(REQUESTS)]
        time.sleep(0.5)
        waiting = _threads(function)
        answers = [answer.result() for answer in sent]
        assert time.monotonic() - started < 30  # a lookup takes 60
        assert [answer.status for answer in answers] == [200] * REQUESTS
        assert function.log.count('"reason":"timeout"') > 0
        assert waiting <= threads + 2  # one for the lookup, and one that imported httpx2
        assert function.terminate(30) == 0


def _threads(function: Instance) -> int:
    status = Path(f"/proc/{function.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("Threads")))
