"""Students who send feedback at a steady rate, each one after the other is acknowledged."""

import asyncio
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field

import httpx

from tests.instance import PATH

PATIENCE = 60.0  # seconds for which a student repeats a request


@dataclass
class Load:
    """Sends `total` feedbacks of `students` students to the function, `rate` per second in total.

    A student who gets 503 or no answer repeats the request with the same key, as in the contract.
    """

    port: int
    total: int
    rate: float
    students: int = 50
    acknowledged: dict[str, list[str]] = field(default_factory=dict)  # messages of each student

    @property
    def count(self) -> int:
        """The number of acknowledged feedbacks so far."""
        return sum(map(len, self.acknowledged.values()))

    def run(self) -> None:
        """Send them all."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        address = f"http://127.0.0.1:{self.port}"
        limits = httpx.Limits(max_connections=self.students)
        async with httpx.AsyncClient(base_url=address, timeout=30, limits=limits) as client:
            await asyncio.gather(*(self._student(client, at) for at in range(self.students)))

    async def _student(self, client: httpx.AsyncClient, at: int) -> None:
        student = str(uuid.uuid4())
        mine = self.acknowledged.setdefault(student, [])
        start = time.monotonic() + at / self.rate
        for number in range(self.total // self.students):
            due = start + number * self.students / self.rate
            await asyncio.sleep(due - time.monotonic())
            message = f"{student} {number}"
            await _send(client, student, message)
            mine.append(message)


async def _send(client: httpx.AsyncClient, student: str, message: str) -> None:
    body = {"student_id": student, "task_id": "task-123", "message": message}
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):  # an idle connection that ends when it is used
            answer = await client.post(PATH, json=body, headers={"Idempotency-Key": message})
            if answer.status_code == 200:
                return
            assert answer.status_code == 503, answer
        await asyncio.sleep(1)
    raise AssertionError(f"not acknowledged within {PATIENCE} s: {message}")
