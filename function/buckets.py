"""Token buckets: how much each student may do in a time, in the memory of this instance."""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from uuid import UUID

STUDENTS = 10_000  # at most; beyond that, the one who came least recently is forgotten


class Buckets:
    """A bucket for each student, which `seconds` fill; `clock` returns seconds."""

    def __init__(
        self, number: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._capacity = number
        self._rate = number / seconds
        self._clock = clock
        self._buckets: OrderedDict[UUID, tuple[float, float]] = OrderedDict()  # level, time

    def take(self, students: Iterable[UUID]) -> float:
        """Count one for each entry and return 0, or count none and return the seconds to wait.

        A batch over the limit would never pass. It passes when the bucket is full, and the student
        waits for longer after it.
        """
        now = self._clock()
        counts = Counter(students)
        levels = {student: self._level(student, now) for student in counts}
        missing = [min(counts[one], self._capacity) - levels[one] for one in counts]
        if (most := max(missing, default=0.0)) > 0:
            return most / self._rate
        for student, count in counts.items():
            self._buckets[student] = (levels[student] - count, now)
            self._buckets.move_to_end(student)
        while len(self._buckets) > STUDENTS:
            self._buckets.popitem(last=False)
        return 0

    def _level(self, student: UUID, now: float) -> float:
        level, then = self._buckets.get(student, (self._capacity, now))
        return min(self._capacity, level + (now - then) * self._rate)
