"""The bucket of a student fills with time, and memory has a bound."""

import uuid

import pytest

from function.access_settings import RateLimit
from function.errors import TooManyRequests
from function.http import rate_limit
from function.http.rate_limit import RateLimiter

STUDENT, OTHER = uuid.uuid4(), uuid.uuid4()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def refused(limiter: RateLimiter, *students: uuid.UUID) -> int:
    with pytest.raises(TooManyRequests) as caught:
        limiter.take(students)
    return caught.value.retry_after


def test_a_whole_limit_may_come_at_once_and_then_one_by_one() -> None:
    clock = Clock()
    limiter = RateLimiter(RateLimit(6, 60), clock)
    limiter.take([STUDENT] * 6)
    assert refused(limiter, STUDENT) == 10
    clock.now += 9
    assert refused(limiter, STUDENT) == 1
    clock.now += 1
    limiter.take([STUDENT])
    assert refused(limiter, STUDENT) == 10


def test_a_pause_saves_up_no_more_than_the_limit() -> None:
    clock = Clock()
    limiter = RateLimiter(RateLimit(2, 1), clock)
    limiter.take([STUDENT])
    clock.now += 1e6
    limiter.take([STUDENT, STUDENT])
    assert refused(limiter, STUDENT) == 1


def test_a_batch_counts_for_all_its_students_or_for_none() -> None:
    limiter = RateLimiter(RateLimit(2, 60), Clock())
    limiter.take([STUDENT, STUDENT])
    assert refused(limiter, OTHER, STUDENT) == 30
    limiter.take([OTHER, OTHER])


def test_a_batch_over_the_limit_passes_when_the_bucket_is_full_and_is_paid_for_later() -> None:
    clock = Clock()
    limiter = RateLimiter(RateLimit(2, 60), clock)
    limiter.take([STUDENT] * 5)
    assert refused(limiter, STUDENT) == 120
    clock.now += 120
    assert refused(limiter, *[STUDENT] * 5) == 30
    clock.now += 30
    limiter.take([STUDENT] * 5)


def test_an_empty_batch_is_free() -> None:
    RateLimiter(RateLimit(1, 60), Clock()).take([])


def test_the_student_who_sent_least_recently_is_forgotten_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rate_limit, "STUDENTS", 2)
    limiter = RateLimiter(RateLimit(2, 60), Clock())
    third = uuid.uuid4()
    for student in (STUDENT, OTHER, STUDENT, third):
        limiter.take([student])
    assert refused(limiter, STUDENT) == 30  # full: it sent twice
    limiter.take([OTHER, OTHER])  # forgotten, so as new
