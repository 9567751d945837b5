"""A body that is no JSON is refused with the place of the error, and without a word of the body."""

from json import JSONDecodeError

import pytest

from function.errors import InvalidRequest
from function.http import document
from function.http.document import parse_json


def refusal(body: bytes) -> str:
    with pytest.raises(InvalidRequest) as caught:
        parse_json(body)
    return str(caught.value)


@pytest.mark.parametrize("body", [b"", b" \r\n\t", b"\xef\xbb\xbf"])
def test_an_empty_body_has_a_message_of_its_own(body: bytes) -> None:
    assert refusal(body) == "the body is empty"


@pytest.mark.parametrize(
    ("body", "line", "column"),
    [
        (b"student_id=1", 1, 1),
        (b'{"a": 1', 1, 8),
        (b"{'a': 1}", 1, 2),
        (b'{"a": 1}\n {}', 2, 2),
        (b'{\r\n  "a": tru }', 2, 8),
        (b'{"a": "one\ntwo"}', 1, 11),
        (b'{"a": NaN}', 1, 7),
        (b'{"NaN": "\\"-Infinity",\n "b": [Infinity, NaN]}', 2, 8),
        (b'{"a": -Infinity}', 1, 7),
        ('{"ä😀": x}'.encode(), 1, 8),
        (b'{"\xff\xfe": x}', 1, 8),
        (b"\xef\xbb\xbf[x]", 1, 2),
        (b'{"a": 1, }', 1, 10),
        (b"[1,\n]", 2, 1),
    ],
    ids=ascii,
)
def test_the_place_of_the_error_is_named_in_lines_and_characters(
    body: bytes, line: int, column: int
) -> None:
    assert refusal(body) == f"the body is not valid JSON at line {line}, column {column}"


@pytest.mark.parametrize("body", [b'{"a": 1 , }', b"[1,\r\n\t]", b"[[1], ]"])
def test_a_trailing_comma_has_one_place(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """From Python 3.13 on, `json` names the place of the comma instead of the bracket."""

    class Python313:
        def decode(self, text: str) -> object:
            raise JSONDecodeError("Illegal trailing comma before end of x", text, text.rindex(","))

    here = refusal(body)
    monkeypatch.setattr(document, "_decoder", Python313())
    assert refusal(body) == here


def test_a_constant_after_many_strings_is_found() -> None:
    body = b"[" + b'"\\"NaN\\\\",' * 5_000 + b"NaN]"
    assert refusal(body) == f"the body is not valid JSON at line 1, column {len(body) - 3}"


def test_what_is_nested_too_deeply_has_a_message_of_its_own() -> None:
    assert refusal(b'{"a":' * 13_000) == "the body is nested too deeply"
