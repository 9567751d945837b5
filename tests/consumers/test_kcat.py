"""kcat, where it is installed, shows the records as they are."""

import json
import shutil
import subprocess

import pytest

from dev.kafka.prepare import TOPIC
from tests.consumers.scenario import Run

pytestmark = [pytest.mark.consumers, pytest.mark.timeout(1800)]


@pytest.mark.skipif(not shutil.which("kcat"), reason="kcat is not installed")
def test_kcat(run: Run) -> None:
    bootstrap = run.sink.stack.kafka.bootstrap
    command = ["kcat", "-C", "-b", bootstrap, "-t", TOPIC, "-o", "beginning", "-e", "-q", "-J"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    shown = {
        (one["partition"], one["offset"]): (one.get("headers", []), one["key"], one["payload"])
        for one in map(json.loads, done.stdout.splitlines())
    }
    expected = {
        (one.partition, one.offset): (
            [text(part) for header in one.headers for part in header],
            text(one.key),
            text(one.value),
        )
        for one in run.records
    }
    assert shown == expected


def text(part: str | bytes | None) -> str | None:
    return part.decode() if isinstance(part, bytes) else part
