"""Ids of rows, and the keys that some are made of."""

import time
import uuid

import pytest

from function.errors import InvalidRequest
from function.http.ids import (
    _uuid7,
    event_row_id,
    new_id,
    parse_idempotency_key,
    repeatable_id,
)

STUDENT = uuid.UUID("550e8400-e29b-41d4-a716-446655440000")
PAYLOAD = ("task-123", "This is too hard")


@pytest.mark.parametrize("make", [new_id, _uuid7])
def test_a_new_id_is_a_uuid7_of_this_moment(make: object) -> None:
    assert callable(make)
    before = time.time_ns() // 1_000_000
    made = make()
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000


def test_new_ids_differ() -> None:
    assert len({_uuid7() for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("abc", "abc"),
        ('"abc"', "abc"),
        (r'"a\"b\\c"', r'a"b\c'),
        ('"', '"'),
        ('a"b', 'a"b'),
        (r'"a\b"', r'"a\b"'),
        ("two words", "two words"),
        ("k" * 255, "k" * 255),
        (f'"{"k" * 255}"', "k" * 255),
        ('"p1";v=1', "p1"),
        ('"p1"; v;*a-b.c_d=-1.5;t=tok/en;s="x\\";y";b=:aGk=:;o=?0', "p1"),
        ('"p1";', '"p1";'),  # from here on no parameters, so a key as it is
        ('"p1" ;v=1', '"p1" ;v=1'),
        ('"p1";V=1', '"p1";V=1'),
        ('"p1";v=a"b', '"p1";v=a"b'),
        ("p1;v=1", "p1;v=1"),
    ],
)
def test_a_key_is_the_same_with_and_without_quotes(header: str, key: str) -> None:
    assert parse_idempotency_key(header) == key


@pytest.mark.parametrize("header", ["", '""', "k" * 256, "naïve", "tab\there", "nul\0"])
def test_a_key_that_is_not_printable_ascii_is_refused(header: str) -> None:
    with pytest.raises(InvalidRequest, match="1 to 255 printable ASCII"):
        parse_idempotency_key(header)


def test_a_student_and_a_key_have_one_id() -> None:
    assert repeatable_id(STUDENT, "a") == repeatable_id(STUDENT, "a")
    assert repeatable_id(STUDENT, "a") != repeatable_id(STUDENT, "b")
    assert repeatable_id(STUDENT, "a") != repeatable_id(uuid.uuid4(), "a")


def test_a_student_and_an_event_have_one_id() -> None:
    assert event_row_id(STUDENT, "/a", "1", PAYLOAD) == event_row_id(STUDENT, "/a", "1", PAYLOAD)
    assert event_row_id(STUDENT, "/a", "1", PAYLOAD) != event_row_id(
        uuid.uuid4(), "/a", "1", PAYLOAD
    )
    assert event_row_id(STUDENT, "/a", "1", PAYLOAD) == uuid.uuid5(STUDENT, "cloudevent:2:/a1")


@pytest.mark.parametrize(
    ("source", "event_id"), [("/a1", "1"), ("/a", ":1"), ("/", "a1"), ("2:/a", "1")]
)
def test_no_other_source_and_id_make_the_same_id(source: str, event_id: str) -> None:
    assert event_row_id(STUDENT, source, event_id, PAYLOAD) != event_row_id(
        STUDENT, "/a", "1", PAYLOAD
    )


def test_an_event_is_no_idempotency_key() -> None:
    assert event_row_id(STUDENT, "a", "b", PAYLOAD) != repeatable_id(STUDENT, "1:ab")
    assert event_row_id(STUDENT, "a", "b", PAYLOAD) != repeatable_id(STUDENT, "cloudevent:1:ab")
