"""The official SDKs read each event as the function does, or refuse it.

They differ on purpose: the SDKs make up an id that is missing, do not decode headers, leave data in
Base64 as bytes, and refuse attributes that the function ignores.
"""

import json
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import strategies as st

from function.errors import RequestError
from function.http.delivery import parse_delivery
from function.http.event_attributes import JSON_TYPE, REQUIRED
from function.http.ids import event_row_id
from function.http.submission import read_feedback
from function.service import Submission
from tests.fuzz.batches import SIZE, run_batch
from tests.fuzz.bodies import EVENT, event
from tests.fuzz.conftest import Amount
from tests.hosts.sdk import Sdk, running_sdk
from tests.instance import ROOT

STRUCTURED = {"content-type": "application/cloudevents+json"}
SDKS = {
    "1.x": (".venv-fuzz", "cloudevents.http"),
    "2.x as 1.x": (".venv-func", "cloudevents.v1.http"),
    "2.x": (".venv-func", "cloudevents.core.bindings.http"),
}

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(0)]


@pytest.fixture(scope="module", params=SDKS)
def sdk(request: pytest.FixtureRequest) -> Iterator[Sdk]:
    environment, module = SDKS[request.param]
    with running_sdk(ROOT / environment / "bin/python", module) as running:
        yield running
        running.process.terminate()


@st.composite
def messages(draw: st.DrawFn) -> tuple[dict[str, str], str, bool]:
    """Headers, a body, and whether the event is one that no rule of ours forbids."""
    document = draw(event())
    texts = {name: value for name, value in document.items() if isinstance(value, str)}
    plain = all(texts.get(name) and texts[name].isascii() for name in REQUIRED)
    media_type = document.get("datacontenttype", "application/json")
    plain = plain and (media_type is None or bool(JSON_TYPE.match(str(media_type))))
    plain = plain and not {"data", "data_base64"} <= document.keys() and is_json(document)
    if draw(st.booleans()) or "data" not in document:
        return STRUCTURED, json.dumps(document), plain
    headers = {f"ce-{name}": texts[name] for name in EVENT if is_header(texts.get(name, "\0"))}
    plain = plain and all(f"ce-{name}" in headers for name in REQUIRED)
    return {"content-type": "application/json", **headers}, json.dumps(document["data"]), plain


def is_header(text: str) -> bool:
    """Whether a header can carry it: latin-1 without control characters."""
    return text.isprintable() and all(character <= "\xff" for character in text)


def is_json(document: dict[str, Any]) -> bool:
    """Whether it has no NaN and no infinity, which the SDKs take for JSON."""
    try:
        json.dumps(document, allow_nan=False)
        json.loads(b64decode(document.get("data_base64", b"MA==")), parse_constant=int)
    except (TypeError, ValueError):
        return False
    return True


def ours(headers: dict[str, str], body: str) -> Submission | None:
    try:
        [one] = parse_delivery(headers, body.encode()).submissions
    except RequestError:
        return None
    return one


def readable(attributes: Any, data: object) -> bool:
    """Whether an SDK's event is feedback by the contract."""
    try:
        read_feedback(data)
    except RequestError:
        return False
    return bool(attributes["type"] == EVENT["type"] and attributes["specversion"] == "1.0")


def test_events(sdk: Sdk, amount: Amount) -> None:
    agreed = 0

    def check(message: tuple[dict[str, str], str, bool]) -> None:
        nonlocal agreed
        headers, body, plain = message
        found, theirs = ours(headers, body), sdk.try_to_read(headers, body)
        if theirs is None:
            return
        attributes, data = theirs
        if found is None:
            assert not (plain and readable(attributes, data)), f"only the SDK reads {message}"
            return
        if not isinstance(data, dict):  # what came in Base64 is bytes to an SDK
            return
        _, payload = read_feedback(data)
        row_id = event_row_id(
            found.feedback.student_id, attributes["source"], attributes["id"], payload
        )
        assert row_id == found.row_id, message
        agreed += 1

    for number in range(max(1, amount.requests // (5 * SIZE))):
        run_batch(amount.seed + number, messages(), check)
    assert agreed
    print(f"\n{agreed} events read alike")
