"""`make observe`: what it prints, serves, and leaves behind."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.instance import ROOT
from tests.waiting import wait_until

pytestmark = pytest.mark.observe


def test_make_observe(tmp_path: Path) -> None:
    """A trace from the request to the record, and a dashboard with data; Ctrl-C ends all."""
    said = tmp_path / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dev.observe"],
            cwd=ROOT,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_until(lambda: "Ctrl-C" in said.read_text() or process.poll() is not None)
        text = said.read_text()
        span = re.search(r"└─ POST /api/v1/feedback  SERVER (\w{16})  ", text)
        assert span, text
        assert re.search(r"   ├─ INSERT feedback  CLIENT \w{16}  .*rows=\d+", text)
        assert "   └─ mentor.feedback  Kafka record  ce_traceparent=00-" in text
        assert f"-{span[1]}-01" in text
        address = re.search(r"The dashboard +(http\S+)", text)
        assert address, text
        wait_until(lambda: panels_with_data(address[1]) > 10)  # rates need two scrapes
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert said.read_text().endswith("Stopped.\n")
    finally:
        process.kill()
        process.wait()


def panels_with_data(address: str) -> int:
    return httpx.get(address, timeout=60).text.count("plotly-graph-div")
