"""PostgreSQL's own load tool: https://www.postgresql.org/docs/current/pgbench.html"""

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import payload
from bench.output import BenchFailure
from bench.server import production_environ
from dev import paths
from dev.supervisor import Process

SCRIPT = Path(__file__).with_name("insert.sql")


@dataclass(frozen=True, slots=True)
class Pgbench:
    """A run of pgbench, which logs each transaction in `folder`."""

    process: Process
    folder: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def transactions(self) -> list[tuple[float, float]]:
        """Wait for the end; return when each transaction ended (Unix time) and its milliseconds."""
        if self.process.wait() != 0:
            output = (self.folder / "output").read_text()
            raise BenchFailure(f"pgbench failed:\n{output}")
        return [
            (int(seconds) + int(micros) / 1e6, int(latency) / 1e3)
            for log in self.folder.glob("log*")
            for line in log.read_text().splitlines()
            for _, _, latency, _, seconds, micros in [line.split()]
        ]


@contextmanager
def running(url: str, connections: int, seconds: int) -> Iterator[Pgbench]:
    """Start it; it is killed at the end of the block if it still runs."""
    variables = {**payload.ROW, "students": payload.STUDENTS, "traceparent": payload.TRACEPARENT}
    with tempfile.TemporaryDirectory() as folder:
        process = Process(
            [
                *(paths.postgres_programs() / "pgbench", "--no-vacuum"),
                *(f"--client={connections}", f"--time={seconds}", "--protocol=prepared"),
                *("--log", f"--log-prefix={folder}/log", f"--file={SCRIPT}"),
                *(f"--define={name}={value}" for name, value in variables.items()),
                url,
            ],
            log=Path(folder, "output"),
            env=production_environ(),
        )
        try:
            yield Pgbench(process, Path(folder))
        finally:
            process.kill()


def percentiles(latencies: Sequence[float], mean: float) -> tuple[float, float]:
    """p50 and p99 with wrk's correction: see bench/wrk.py."""
    corrected = sorted(
        latency - step * mean
        for latency in latencies
        for step in range(max(1, math.ceil(latency / mean) - 1))
    )
    return corrected[len(corrected) // 2], corrected[len(corrected) * 99 // 100]
