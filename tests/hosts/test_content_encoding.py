"""A compressed body is refused, and the answer says which encoding to use."""

import gzip
import json

import pytest

from tests.hosts.conftest import Rows
from tests.hosts.events import binary_headers
from tests.instance import FEEDBACK, PATH, Instance


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "identity, gzip", "zstd,deflate"])
@pytest.mark.parametrize("headers", [{}, binary_headers()], ids=["plain", "event"])
def test_compressed_body(
    instance: Instance, student: str, rows: Rows, coding: str, headers: dict[str, str]
) -> None:
    """A body with a Content-Encoding gets 415 and is not stored."""
    body = gzip.compress(json.dumps({**FEEDBACK, "student_id": student}).encode())

    answer = instance.request("POST", PATH, body, {"Content-Encoding": coding, **headers})

    assert (answer.status, answer.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert answer.headers["accept-encoding"] == "identity"
    assert rows(student) == []


@pytest.mark.parametrize("coding", ["identity", "Identity", "", "identity, identity"])
def test_identity(instance: Instance, coding: str) -> None:
    """The encoding `identity` is accepted, as is an empty header."""
    assert instance.post(headers={"Content-Encoding": coding}).status == 200


def test_wrong_media_type(instance: Instance) -> None:
    """A 415 for another reason does not mention encodings."""
    answer = instance.post(headers={"Content-Type": "application/cloudevents+avro"})

    assert answer.status == 415
    assert "accept-encoding" not in answer.headers
