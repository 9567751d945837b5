"""The official CloudEvents SDK, in old and new versions, reads the records in Kafka."""

import json
import subprocess
from base64 import b64encode
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.events import sdk
from tests.events.chain import Chain
from tests.events.topic import Record
from tests.instance import ROOT
from tests.migrate.job import NO_TRACE

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

READERS = [
    pytest.param(".venv", "cloudevents.kafka", id="1.x"),
    pytest.param(".venv-func", "cloudevents.v1.kafka", id="2.x as 1.x"),
    pytest.param(".venv-func", "cloudevents.core.bindings.kafka", id="2.x"),
]


def read_with_sdk(environment: str, module: str, record: Record) -> Any:
    def text(value: bytes | None) -> str:
        return b64encode(value or b"").decode()

    done = subprocess.run(
        [ROOT / environment / "bin/python", Path(sdk.__file__), module],
        input=json.dumps(
            {
                "key": text(record.key),
                "headers": {name: text(value) for name, value in record.headers},
                "value": text(record.value),
            }
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("environment", "module"), READERS)
def test_record(chain: Chain, student: str, environment: str, module: str) -> None:
    """The SDK reads a record as an event with all attributes."""
    chain.post(student, "zu schwer 😀")
    (record,) = chain.records(student, 1)
    (row,) = chain.rows(student)
    event = read_with_sdk(environment, module, record)
    time = event["attributes"].pop("time")
    assert datetime.fromisoformat(time) == datetime.fromisoformat(row["created_at"])
    assert event["attributes"] == {
        "specversion": "1.0",
        "type": "mentor.strategy.updated",
        "source": "/mathtrail/mentor",
        "id": row["id"],
        "datacontenttype": "application/json",
        "traceparent": row["traceparent"],
        "partitionkey": student,  # the SDK's name for the record's key
    }
    assert event["data"] == row


@pytest.mark.parametrize(("environment", "module"), READERS)
def test_record_without_trace(chain: Chain, environment: str, module: str) -> None:
    """The SDK reads the record of a row that is older than traces."""
    record = chain.records(chain.before["student_id"], 1)[0]
    event = read_with_sdk(environment, module, record)
    assert event["attributes"]["id"] == chain.before["id"]
    assert event["attributes"]["traceparent"] == NO_TRACE
    assert event["data"] == chain.before
