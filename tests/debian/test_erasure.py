"""Erasure on a server older than 18, which takes CST for that of America in any time zone."""

from uuid import uuid4

import pytest
from pg8000.native import Connection

from function.store.erasure import erase

pytestmark = pytest.mark.debian

ROW = """
INSERT INTO feedback (student_id, perceived_difficulty, strategy_snapshot)
VALUES (:student, 'ok', '{}')
"""
IS_LATE = """
SELECT created_at > now() + interval '1 hour' FROM student_erasure WHERE student_id = :student
"""


def test_an_erasure_has_its_own_time_whatever_the_style_of_dates(superuser: Connection) -> None:
    student = uuid4()
    superuser.run("SET DateStyle = 'SQL'; SET TimeZone = 'Asia/Shanghai'")
    superuser.run(ROW, student=student)
    assert sum(deleted.feedback for deleted in erase(superuser, student, ())) == 1
    assert superuser.run(IS_LATE, student=student) == [[False]]
