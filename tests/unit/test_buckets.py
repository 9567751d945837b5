"""The bucket of a student fills with time, and memory has a bound."""

import uuid

import pytest

from function import buckets
from function.buckets import Buckets

STUDENT, OTHER = uuid.uuid4(), uuid.uuid4()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_whole_limit_may_come_at_once_and_then_one_by_one() -> None:
    clock = Clock()
    limiter = Buckets(6, 60, clock)
    assert limiter.take([STUDENT] * 6) == 0
    assert limiter.take([STUDENT]) == 10
    clock.now += 9
    assert limiter.take([STUDENT]) == pytest.approx(1)
    clock.now += 1
    assert limiter.take([STUDENT]) == 0
    assert limiter.take([STUDENT]) == 10


def test_a_pause_saves_up_no_more_than_the_limit() -> None:
    clock = Clock()
    limiter = Buckets(2, 1, clock)
    assert limiter.take([STUDENT]) == 0
    clock.now += 1e6
    assert limiter.take([STUDENT, STUDENT]) == 0
    assert limiter.take([STUDENT]) == 0.5


def test_a_batch_counts_for_all_its_students_or_for_none() -> None:
    limiter = Buckets(2, 60, Clock())
    assert limiter.take([STUDENT, STUDENT]) == 0
    assert limiter.take([OTHER, STUDENT]) == 30
    assert limiter.take([OTHER, OTHER]) == 0


def test_a_batch_over_the_limit_passes_when_the_bucket_is_full_and_is_paid_for_later() -> None:
    clock = Clock()
    limiter = Buckets(2, 60, clock)
    assert limiter.take([STUDENT] * 5) == 0
    assert limiter.take([STUDENT]) == 120
    clock.now += 120
    assert limiter.take([STUDENT] * 5) == 30
    clock.now += 30
    assert limiter.take([STUDENT] * 5) == 0


def test_an_empty_batch_is_free() -> None:
    assert Buckets(1, 60, Clock()).take([]) == 0


def test_the_student_who_sent_least_recently_is_forgotten_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(buckets, "STUDENTS", 2)
    limiter = Buckets(2, 60, Clock())
    third = uuid.uuid4()
    for student in (STUDENT, OTHER, STUDENT, third):
        assert limiter.take([student]) == 0
    assert limiter.take([STUDENT]) == 30  # full: it sent twice
    limiter.take([OTHER, OTHER])  # forgotten, so as new
