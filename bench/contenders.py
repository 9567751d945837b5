"""The programs that are compared: services over HTTP, and pgbench with the same insert."""

import math
import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

from bench import payload, pgbench, wrk
from bench.database import Database
from bench.output import BenchFailure
from bench.processes import cpu_seconds
from bench.server import Command, Server, running

WARM_UP = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement. Times are in milliseconds; `cpu` is in microseconds per request."""

    rate: float
    p50: float
    p99: float
    cpu: Mapping[str, float]


class Contender(Protocol):
    """A program that inserts feedback."""

    def measure(self, connections: int, seconds: float) -> Sample:
        """Warm up, then measure. Raises BenchFailure unless each answer is one correct row."""
        ...


class HttpContender:
    """A program that answers posted feedback, and runs until `stack` is closed."""

    def __init__(self, command: Command, database: Database, stack: ExitStack) -> None:
        self._database = database
        self._server: Server = stack.enter_context(running(command, database.url))
        self._server.wait_for_answer(payload.post())

    def measure(self, connections: int, seconds: float) -> Sample:
        os.truncate(self._server.log, 0)
        self._database.empty()
        wrk.load(self._server.port, connections, WARM_UP)
        rows, before = self._database.count(), self._cpu()
        load = wrk.load(self._server.port, connections, seconds)
        after = self._cpu()
        self._check(load.requests, self._database.count() - rows, connections)
        cpu = {who: (after[who] - before[who]) / load.requests * 1e6 for who in after}
        cpu["client"] = load.cpu / load.requests * 1e6
        return Sample(load.requests / load.seconds, load.p50, load.p99, cpu)

    def _cpu(self) -> dict[str, float]:
        return {
            "program": cpu_seconds(self._server.pid),
            "postgresql": cpu_seconds(self._database.pid),
        }

    def _check(self, answers: int, rows: int, connections: int) -> None:
        """Requests in flight at the end may insert a row, but are not counted as answers."""
        if not answers <= rows <= answers + connections:
            raise BenchFailure(f"{answers} answers, but {rows} rows")


class PgbenchContender:
    """The upper limit: PostgreSQL's own load tool, with a prepared statement."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def measure(self, connections: int, seconds: float) -> Sample:
        self._database.empty()
        duration = math.ceil(seconds + 2 * WARM_UP)
        with pgbench.running(self._database.url, connections, duration) as load:
            self._database.wait_for_clients(connections, "pgbench")
            time.sleep(WARM_UP)
            start, before = time.time(), self._cpu(load.pid)
            time.sleep(seconds)
            end, after = time.time(), self._cpu(load.pid)
            transactions = load.transactions()
        if len(transactions) != (rows := self._database.count()):
            raise BenchFailure(f"{len(transactions)} transactions, but {rows} rows")
        counted = [latency for ended, latency in transactions if start <= ended < end]
        if not counted:
            raise BenchFailure(f"pgbench ended no transaction in {seconds:g} s")
        mean = (end - start) * 1000 * connections / len(counted)
        p50, p99 = pgbench.percentiles(counted, mean)
        cpu = {who: (after[who] - before[who]) / len(counted) * 1e6 for who in after}
        return Sample(len(counted) / (end - start), p50, p99, cpu)

    def _cpu(self, pid: int) -> dict[str, float]:
        return {"postgresql": cpu_seconds(self._database.pid), "client": cpu_seconds(pid)}
