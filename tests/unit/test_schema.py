"""What counts as feedback."""

import pytest

from function.domain import Feedback
from function.errors import InvalidRequest
from function.http.schema import parse_feedback
from function.http.submission import read_feedback

STUDENT = "550e8400-e29b-41d4-a716-446655440000"
DOCUMENT = {"student_id": STUDENT, "task_id": "task-123", "message": "This is too hard"}


def parse(**changes: object) -> Feedback:
    return parse_feedback({**DOCUMENT, **changes})


@pytest.mark.parametrize(
    "spelling",
    [
        STUDENT,
        STUDENT.upper(),
        STUDENT.title(),
        STUDENT.replace("-", ""),
        STUDENT.replace("-", "").upper(),
        f"{{{STUDENT}}}",
        f"{{{STUDENT}}}".upper(),
        f"urn:uuid:{STUDENT}",
        f"URN:UUID:{STUDENT.upper()}",
    ],
)
def test_a_student_is_the_same_in_every_spelling(spelling: str) -> None:
    assert str(parse(student_id=spelling).student_id) == STUDENT


@pytest.mark.parametrize(
    "student_id",
    [
        "",
        "0" * 32,
        "00000000-0000-0000-0000-000000000000",
        "{00000000-0000-0000-0000-000000000000}",
        "urn:uuid:00000000-0000-0000-0000-000000000000",
        "student-1",
        f"{STUDENT} ",
        f"{STUDENT}\n",
        f"{STUDENT}\0",
        f"{STUDENT}0",
        STUDENT[:-1],
        f"{STUDENT[:-1]}g",
        f"٥{STUDENT[1:]}",  # noqa: RUF001 - an Arabic digit
        "urn:uuid:",
        f"urn:{STUDENT}",
        f"{{{STUDENT}",
        f"{STUDENT}}}",
        f"({STUDENT})",
        "5_0e8400e29b41d4a716446655440000",
        7,
        None,
        [STUDENT],
    ],
)
def test_what_is_no_student_is_refused(student_id: object) -> None:
    with pytest.raises(InvalidRequest, match=r"^student_id must be a UUID"):
        parse(student_id=student_id)


def test_every_wrong_field_is_named_in_one_message() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_feedback({"student_id": "x", "message": ""})
    assert str(caught.value) == (
        "student_id must be a UUID, and not the nil UUID; task_id is missing; "
        "message must be a string of 1 to 5000 characters"
    )


def test_a_message_is_measured_in_code_points() -> None:
    assert parse(message="😀" * 5000).message == "😀" * 5000
    with pytest.raises(InvalidRequest, match="5000 characters"):
        parse(message="😀" * 5001)


@pytest.mark.parametrize("code_points", [[0xD83D], [0xDE00], [0xDE00, 0xD83D]])
def test_half_an_emoji_becomes_a_replacement_character(code_points: list[int]) -> None:
    text = "".join(map(chr, code_points))
    replaced = "\ufffd" * len(text)
    feedback = parse(task_id=text, message=f"hard {text}!")
    assert (feedback.task_id, feedback.message) == (replaced, f"hard {replaced}!")


@pytest.mark.parametrize("field", ["task_id", "message"])
def test_postgresql_cannot_keep_a_nul_so_it_is_refused(field: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{field} must not contain a NUL character$"):
        parse(**{field: "a\0b"})


@pytest.mark.parametrize("document", [None, [], "text", 7, True])
def test_only_an_object_is_feedback(document: object) -> None:
    with pytest.raises(InvalidRequest, match="must be a JSON object"):
        read_feedback(document)
