"""The spellings of a student's UUID."""

from collections.abc import Callable
from uuid import UUID

import pytest

from tests.hosts.conftest import Rows, on_uvicorn
from tests.instance import FEEDBACK, Instance

SPELLINGS: dict[str, Callable[[UUID], str]] = {
    "canonical": str,
    "upper case": lambda uuid: str(uuid).upper(),
    "mixed case": lambda uuid: str(uuid).title(),
    "32 digits": lambda uuid: uuid.hex,
    "32 digits in upper case": lambda uuid: uuid.hex.upper(),
    "braces": lambda uuid: f"{{{uuid}}}",
    "braces in upper case": lambda uuid: f"{{{uuid}}}".upper(),
    "URN": lambda uuid: uuid.urn,
    "URN in upper case": lambda uuid: uuid.urn.upper(),
}


@on_uvicorn
@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_spellings(
    instance: Instance, student: str, rows: Rows, spelling: Callable[[UUID], str]
) -> None:
    """All spellings of a UUID name the same student."""
    answer = instance.post({**FEEDBACK, "student_id": spelling(UUID(student))})

    assert answer.status == 200
    assert answer.json()["student_id"] == student
    assert len(rows(student)) == 1


@on_uvicorn
@pytest.mark.parametrize(
    "student_id",
    [
        *(spelling(UUID(int=0)) for spelling in SPELLINGS.values()),
        "",
        "student-1",
        "550e8400-e29b-41d4-a716-44665544000",
        "550e8400-e29b-41d4-a716-4466554400000",
        "550e8400-e29b-41d4-a716-44665544000g",
        "550e8400e29b41d4a71644665544000",
        "urn:uuid:",
        "urn:550e8400-e29b-41d4-a716-446655440000",
        "{550e8400-e29b-41d4-a716-446655440000",
        "550e8400-e29b-41d4-a716-446655440000}",
        "550e8400-e29b-41d4-a716-446655440000\n",
        " 550e8400-e29b-41d4-a716-446655440000",
        "٥50e8400-e29b-41d4-a716-446655440000",  # noqa: RUF001 - an Arabic digit
        "550e8400-e29b-41d4-a716-446655440000\0",
    ],
)
def test_invalid_ids(instance: Instance, student_id: str) -> None:
    """An invalid UUID is refused, and the nil UUID in each spelling."""
    answer = instance.post({**FEEDBACK, "student_id": student_id})

    assert answer.status == 400
    assert answer.json()["code"] == "INVALID_REQUEST"
    assert "student_id" in answer.json()["message"]
