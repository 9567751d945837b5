"""A compressed body is refused, and the client is told what to send."""

import gzip
import json

import pytest

from tests.hosts.conftest import Rows
from tests.hosts.events import binary_headers
from tests.instance import FEEDBACK, PATH, Instance


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "identity, gzip", "zstd,deflate"])
@pytest.mark.parametrize("headers", [{}, binary_headers()], ids=["plain", "event"])
def test_a_coded_body_is_refused(
    instance: Instance, student: str, rows: Rows, coding: str, headers: dict[str, str]
) -> None:
    body = gzip.compress(json.dumps({**FEEDBACK, "student_id": student}).encode())

    answer = instance.request("POST", PATH, body, {"Content-Encoding": coding, **headers})

    assert (answer.status, answer.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert answer.headers["accept-encoding"] == "identity"
    assert rows(student) == []


@pytest.mark.parametrize("coding", ["identity", "Identity", "", "identity, identity"])
def test_the_body_as_it_is_has_no_coding(instance: Instance, coding: str) -> None:
    assert instance.post(headers={"Content-Encoding": coding}).status == 200


def test_a_wrong_media_type_is_told_apart(instance: Instance) -> None:
    answer = instance.post(headers={"Content-Type": "application/cloudevents+avro"})

    assert answer.status == 415
    assert "accept-encoding" not in answer.headers
