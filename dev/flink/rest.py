"""The REST API of a JobManager that has one job."""

import time
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
        """Stop it, and return where its state is. Raises TimeoutError."""
        asked = self._post(f"/jobs/{self._id()}/stop", {"targetDirectory": folder, "drain": False})
        path = f"/jobs/{self._id()}/savepoints/{asked['request-id']}"
        deadline = time.monotonic() + LIMIT
        # Once this answer was read, the JobManager may end.
        while (answer := self._get(path))["status"]["id"] != "COMPLETED":
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(0.2)
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
