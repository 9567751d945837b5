"""`make observe`: the function under a load, with its metrics, dashboards and a trace in view.

Everything is temporary and ends with Ctrl-C. LLM_* variables set a model, as for `make run`.
"""

import json
import os
import random
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import httpx

from dev.database import NAME, migrate
from dev.initdb import PostgresError
from dev.observe import programs
from dev.observe.load import PATH, feedback, loading
from dev.observe.query import Prometheus
from dev.observe.traces import Sink, describe, receiving, record, tree
from dev.observe.web import dashboards
from dev.paths import CLONE, temporary_folder
from dev.ports import HOST, free_port
from dev.postgres import EmbeddedPostgres
from dev.supervisor import Process, Stopped, StopRequest

LIMIT = 120.0  # seconds, for each thing that starts
RANGE = 600.0  # seconds that a dashboard shows
JAVA = CLONE / ".venv-events/bin/python"  # of `make events`

TRACE = """
One trace, from the request to the record in Kafka:

  trace {trace_id}
{tree}
"""
WHERE = """
  The dashboards   {dashboards}
  Prometheus       {prometheus}
  The metrics      {function}/metrics
  The log          {log}
  To stop it       Ctrl-C
"""
NO_PROMETHEUS = "left out, because Prometheus is not installed: apt-get install prometheus"
NO_EVENTS = "The record is left out, because Debezium is not installed: make environment-events"


class ObserveError(Exception):
    """`make observe` can't continue; the text says why."""


def main() -> int:
    """Return 0 when the user stopped it, 1 when something failed."""
    stop = StopRequest()
    try:
        with ExitStack() as stack:
            _run(stack, stop)
    except Stopped:
        print("Stopped.")
        return 0
    except (PostgresError, ObserveError) as exc:
        print(exc, file=sys.stderr)
    return 1


def _run(stack: ExitStack, stop: StopRequest) -> None:
    folder = stack.enter_context(temporary_folder("mentor-observe-"))
    print("Starting PostgreSQL, the function and Prometheus ...", flush=True)
    server = stack.enter_context(EmbeddedPostgres.temporary())
    clean = {name: text for name, text in os.environ.items() if not name.startswith("PG")}
    environ = {**clean, "DATABASE_URL": server.create_database(NAME)}
    if migrate({**environ, "LOG_LEVEL": "WARNING"}, stop):
        raise ObserveError("The database has no schema, see above.")
    sink = stack.enter_context(receiving())
    port = free_port()
    log = folder / "function.log"
    function = stack.enter_context(_function(environ, port, sink, log))
    _until(lambda: _is_ready(port), stop, f"The function is not ready:\n{log}")
    events = folder / "events.log"
    if JAVA.exists():
        stack.enter_context(_debezium(environ, server.folder, events))
    stack.enter_context(loading(port))
    prometheus = _prometheus(stack, folder, port)
    print(_trace(port, sink, events, stop), flush=True)
    addresses = {"function": f"http://{HOST}:{port}", "log": log, "prometheus": NO_PROMETHEUS}
    addresses["dashboards"] = NO_PROMETHEUS
    if prometheus:
        pages = stack.enter_context(dashboards(prometheus, RANGE))
        addresses |= {"dashboards": f"{pages}/service", "prometheus": prometheus.url}
    print(WHERE.format(**addresses), flush=True)
    code = stop.wait(function)
    raise ObserveError(f"The function ended by itself, with exit code {code}:\n{log.read_text()}")


def _function(environ: Mapping[str, str], port: int, sink: Sink, log: Path) -> Process:
    telemetry = {
        "METRICS": "on",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": sink.url,
        "OTEL_BSP_SCHEDULE_DELAY": "500",
    }
    command = [sys.executable, "-m", "function.serve"]
    return Process(command, log=log, env={**environ, **telemetry, "PORT": str(port)})


def _debezium(environ: Mapping[str, str], data: Path, log: Path) -> Process:
    """`make events`, for this PostgreSQL."""
    own = {name: text for name, text in environ.items() if name != "DATABASE_URL"}
    return Process([JAVA, "-m", "dev.events", "--json", "--data", data], log=log, env=own)


def _is_ready(port: int) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"http://{HOST}:{port}/health/ready").status_code == 200
    return False


def _until(done: Callable[[], bool], stop: StopRequest, otherwise: str) -> None:
    deadline = time.monotonic() + LIMIT
    while not done():
        stop.check()
        if time.monotonic() > deadline:
            raise ObserveError(otherwise)
        time.sleep(0.1)


def _trace(port: int, sink: Sink, events: Path, stop: StopRequest) -> str:
    """Send a request that is part of a trace, and show what came of it."""
    trace_id, caller = f"{random.getrandbits(128):032x}", f"{random.getrandbits(64):016x}"
    headers = {"traceparent": f"00-{trace_id}-{caller}-01"}
    content = feedback("This is too hard")
    httpx.post(f"http://{HOST}:{port}{PATH}", content=content, headers=headers, timeout=30)
    _until(lambda: bool(sink.trace(trace_id)), stop, "The function exported no span.")
    lines = [describe(span) for span in sink.trace(trace_id)]
    note = "" if JAVA.exists() else f"\n{NO_EVENTS}\n"
    if JAVA.exists():
        _until(lambda: trace_id in _complete(events), stop, f"No event came:\n{events}")
        [line] = [one for one in _complete(events).splitlines() if trace_id in one]
        event = json.loads(line)
        lines.append(record(event["headers"], event["topic"]))
    text = "\n".join(f"  {line}" for line in tree(lines, caller))
    return TRACE.format(trace_id=trace_id, tree=text) + note


def _complete(log: Path) -> str:
    """The lines that are written whole."""
    return log.read_text(encoding="utf-8").rpartition("\n")[0] if log.exists() else ""


def _prometheus(stack: ExitStack, folder: Path, function: int) -> Prometheus | None:
    """Start Prometheus, which scrapes the function and evaluates its alerts."""
    port = free_port()
    try:
        process = programs.prometheus(folder, port, {"mentor-function": f"{HOST}:{function}"})
    except programs.MissingProgram:
        return None
    stack.enter_context(process)
    return stack.enter_context(closing(Prometheus(f"http://{HOST}:{port}")))


if __name__ == "__main__":
    sys.exit(main())
