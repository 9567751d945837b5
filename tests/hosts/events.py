"""Makes CloudEvents that contain feedback, and sends them in each content mode."""

import json
from collections.abc import Mapping
from typing import Any

from tests.instance import FEEDBACK, Answer, Instance

SUBMITTED = "mentor.feedback.submitted"
STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"


def attributes(event_id: str = "1", **more: str) -> dict[str, str]:
    return {"specversion": "1.0", "id": event_id, "source": "/app", "type": SUBMITTED, **more}


def event(student: str, event_id: str = "1", message: str = "Zu schwer 😀") -> dict[str, Any]:
    data = {**FEEDBACK, "student_id": student, "message": message}
    return {**attributes(event_id), "datacontenttype": "application/json", "data": data}


def binary_headers(event_id: str = "1") -> dict[str, str]:
    """The headers of an event in binary mode, without a content type."""
    return {f"ce-{name}": value for name, value in attributes(event_id).items()}


def send_binary(
    instance: Instance, one: Mapping[str, Any], path: str = "/", **headers: str
) -> Answer:
    sent = {f"ce-{name}": value for name, value in one.items() if isinstance(value, str)}
    sent = {"content-type": sent.pop("ce-datacontenttype"), **sent, **headers}
    return instance.request("POST", path, json.dumps(one["data"]).encode(), sent)


def send_structured(
    instance: Instance, one: Mapping[str, Any], path: str = "/", **headers: str
) -> Answer:
    sent = {"content-type": STRUCTURED, **headers}
    return instance.request("POST", path, json.dumps(one).encode(), sent)


def send_batch(instance: Instance, *events: object, path: str = "/", **headers: str) -> Answer:
    sent = {"content-type": BATCHED, **headers}
    return instance.request("POST", path, json.dumps(events).encode(), sent)


def replayed(answer: Answer) -> str | None:
    return answer.headers.get("idempotency-replayed")
