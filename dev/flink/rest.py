"""The REST API of a JobManager that has one job."""

import time
from collections.abc import Callable
from typing import Any

import httpx

LIMIT = 240.0  # seconds, on a busy machine


class Job:
    """The one job of the JobManager at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def state(self) -> str:
        """RUNNING, RESTARTING, ... Raises ValueError while there is no job."""
        [job] = self._get("/jobs/overview")["jobs"]
        return str(job["state"])

    def stop_with_savepoint(self, folder: str) -> str:
        """Stop it, and return where its state is."""
        asked = self._post(f"/jobs/{self._id()}/stop", {"targetDirectory": folder, "drain": False})
        path = f"/jobs/{self._id()}/savepoints/{asked['request-id']}"
        answer: dict[str, Any] = {}

        def is_done() -> bool:
            answer.update(self._get(path))
            return bool(answer["status"]["id"] == "COMPLETED")

        wait_until(is_done)  # when the answer was read once, the JobManager may end
        return str(answer["operation"]["location"])

    def has_restarted(self) -> bool:
        """Whether its tasks had to start again since the JobManager's start."""
        return bool(self._get(f"/jobs/{self._id()}")["timestamps"]["RESTARTING"] > 0)

    def _id(self) -> str:
        [job] = self._get("/jobs/overview")["jobs"]
        return str(job["jid"])

    def _get(self, path: str) -> Any:
        return httpx.get(self._url + path, timeout=30).raise_for_status().json()

    def _post(self, path: str, body: object) -> Any:
        return httpx.post(self._url + path, json=body, timeout=30).raise_for_status().json()


def wait_until(is_true: Callable[[], bool], limit: float = LIMIT) -> None:
    """Return when it is. Raises TimeoutError after `limit` seconds."""
    deadline = time.monotonic() + limit
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.2)
