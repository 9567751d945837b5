"""The load tool: https://github.com/wg/wrk

Its percentiles are corrected for coordinated omission: a request that took longer than two average
ones also counts for those that its connection would have sent meanwhile.
"""

import json
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import payload
from bench.output import BenchFailure

SCRIPT = Path(__file__).with_name("load.lua")
HOW_TO_INSTALL = "make bench needs wrk: apt-get install wrk, or brew install wrk"
TIMEOUT = 10  # seconds per answer


@dataclass(frozen=True, slots=True)
class Load:
    """The result of a run. `p50` and `p99` are in milliseconds; `cpu` is wrk's, in seconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    cpu: float


def is_installed() -> bool:
    """Whether wrk is on the PATH."""
    return shutil.which("wrk") is not None


def load(port: int, connections: int, seconds: float) -> Load:
    """Post feedback over that many connections at once. Raises BenchFailure on any error."""
    before = _children_cpu()
    arguments = payload.body("%s"), str(payload.STUDENTS), payload.TRACEPARENT
    url = f"http://127.0.0.1:{port}{payload.PATH}"
    report = run(SCRIPT, url, connections, max(1, round(seconds)), *arguments)
    if report["errors"] or not report["requests"]:
        raise BenchFailure(f"not all answers are 200:\n{report}")
    return Load(
        requests=report["requests"],
        seconds=report["microseconds"] / 1e6,
        p50=report["p50"] / 1e3,
        p99=report["p99"] / 1e3,
        cpu=_children_cpu() - before,
    )


def run(
    script: Path, url: str, connections: int, seconds: int, *arguments: str | Path
) -> dict[str, Any]:
    """Run a script of wrk; return the report on its last line. Raises BenchFailure."""
    done = subprocess.run(
        [
            *("wrk", "--threads=1", f"--connections={connections}", f"--timeout={TIMEOUT}s"),
            *(f"--duration={seconds}s", "--script", script, url, "--", *arguments),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchFailure(f"wrk failed:\n{done.stdout}{done.stderr}")
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def _children_cpu() -> float:
    """User and system time of this process's children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
