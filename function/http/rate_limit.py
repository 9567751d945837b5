"""A limit for each student's feedback: a token bucket, in the memory of this instance."""

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from uuid import UUID

from function.access_settings import RateLimit
from function.errors import TooManyRequests

STUDENTS = 10_000  # at most; beyond that, the one who sent least recently is forgotten


class RateLimiter:
    """Counts each student's feedback; `clock` returns seconds."""

    def __init__(self, limit: RateLimit, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = limit.number
        self._rate = limit.number / limit.seconds
        self._clock = clock
        self._buckets: OrderedDict[UUID, tuple[float, float]] = OrderedDict()  # level, time

    def take(self, students: Iterable[UUID]) -> None:
        """Count one feedback for each entry, all or none; raises TooManyRequests.

        A batch over the limit would never pass. It passes when the bucket is full, and the student
        waits for longer after it.
        """
        now = self._clock()
        counts = Counter(students)
        levels = {student: self._level(student, now) for student in counts}
        missing = [min(counts[one], self._capacity) - levels[one] for one in counts]
        if (most := max(missing, default=0.0)) > 0:
            raise TooManyRequests("too much feedback of this student", math.ceil(most / self._rate))
        for student, count in counts.items():
            self._buckets[student] = (levels[student] - count, now)
            self._buckets.move_to_end(student)
        while len(self._buckets) > STUDENTS:
            self._buckets.popitem(last=False)

    def _level(self, student: UUID, now: float) -> float:
        level, then = self._buckets.get(student, (self._capacity, now))
        return min(self._capacity, level + (now - then) * self._rate)
