"""Probes an instance as a busy platform does: `python -m tests.llm.probes PORT SECONDS`.

A program of its own, so that it does not wait for what the test does meanwhile. Prints how many
seconds each probe took, as JSON.
"""

import http.client
import json
import subprocess
import sys
import time

PAUSE = 0.01  # seconds


def start(port: int, seconds: float) -> "subprocess.Popen[str]":
    """Begin to probe."""
    command = [sys.executable, "-m", "tests.llm.probes", str(port), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish(probes: "subprocess.Popen[str]") -> list[float]:
    """How many seconds each probe took."""
    output, _ = probes.communicate(timeout=60)
    assert probes.returncode == 0
    return [float(seconds) for seconds in json.loads(output)]


def _probe(port: int) -> float:
    started = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/health/liveness")
    assert connection.getresponse().status == 200
    connection.close()
    return time.monotonic() - started


def _main() -> None:
    port, end = int(sys.argv[1]), time.monotonic() + float(sys.argv[2])
    found = []
    while time.monotonic() < end:
        found.append(_probe(port))
        time.sleep(PAUSE)
    print(json.dumps(found))


if __name__ == "__main__":
    _main()
