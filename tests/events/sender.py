"""Students who send feedback at a steady rate, each one after the other is acknowledged."""

import asyncio
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import httpx

from tests.instance import PATH

PATIENCE = 60.0  # seconds for which a student repeats a request
PAUSE = 1.0  # seconds before a repeat


@dataclass
class Load:
    """Sends `total` feedbacks of `students` students to the function, `rate` per second in total.

    A student who gets 503 or no answer repeats the request with the same key, as in the contract,
    to the next of the `ports`. If `over` is given, they send more until it is set.
    """

    ports: Sequence[int]
    total: int
    rate: float
    students: int = 50
    timeout: float = 30.0  # seconds for an answer
    over: threading.Event | None = None
    acknowledged: dict[str, list[str]] = field(default_factory=dict)  # messages of each student
    failed: list[str] = field(default_factory=list)  # why
    repeats: int = 0
    slowest: float = 0.0  # seconds until a feedback was acknowledged

    @property
    def count(self) -> int:
        """The number of acknowledged feedbacks so far."""
        return sum(map(len, self.acknowledged.values()))

    def run(self) -> None:
        """Send them all."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        limits = httpx.Limits(max_connections=2 * self.students)
        async with httpx.AsyncClient(timeout=self.timeout, limits=limits) as client:
            await asyncio.gather(*(self._student(client, at) for at in range(self.students)))

    async def _student(self, client: httpx.AsyncClient, at: int) -> None:
        student = str(uuid.uuid4())
        mine = self.acknowledged.setdefault(student, [])
        start = time.monotonic() + at / self.rate
        number = 0
        while number < self.total // self.students or not self._is_over():
            due = start + number * self.students / self.rate
            await asyncio.sleep(due - time.monotonic())
            message = f"{student} {number}"
            if await self._send(client, student, message):
                mine.append(message)
            number += 1

    def _is_over(self) -> bool:
        return self.over is None or self.over.is_set()

    async def _send(self, client: httpx.AsyncClient, student: str, message: str) -> bool:
        body = {"student_id": student, "task_id": "task-123", "message": message}
        started = time.monotonic()
        turn = hash(message)
        while time.monotonic() < started + PATIENCE:
            url = f"http://127.0.0.1:{self.ports[turn % len(self.ports)]}{PATH}"
            with suppress(httpx.TransportError):  # an idle connection that ends when it is used
                answer = await client.post(url, json=body, headers={"Idempotency-Key": message})
                if answer.status_code == 200:
                    self.slowest = max(self.slowest, time.monotonic() - started)
                    return True
                if answer.status_code != 503:
                    self.failed.append(f"{answer.status_code} {answer.text}: {message}")
                    return False
            turn += 1
            self.repeats += 1
            await asyncio.sleep(PAUSE)
        self.failed.append(f"not acknowledged within {PATIENCE} s: {message}")
        return False
