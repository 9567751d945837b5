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
One trace, from the request to the record that Debezium makes for Kafka:

  trace {trace_id}
{tree}
{note}"""
NO_EVENTS = (
    "\n  The record is left out, because Debezium is not installed: make environment-events\n"
)
WHERE = """\
  The dashboard    {dashboards}
  Prometheus       {prometheus}
  The metrics      {function}/metrics
  To stop it       Ctrl-C
"""


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
    print("Starting PostgreSQL, the function and Prometheus ...", flush=True)
    folder = stack.enter_context(temporary_folder("mentor-observe-"))
    server = stack.enter_context(EmbeddedPostgres.temporary())
    clean = {name: text for name, text in os.environ.items() if not name.startswith("PG")}
    environ = {**clean, "DATABASE_URL": server.create_database(NAME)}
    if migrate({**environ, "LOG_LEVEL": "WARNING"}, stop):
        raise ObserveError("The database has no schema, see above.")
    sink, port, log = stack.enter_context(receiving()), free_port(), folder / "function.log"
    function = stack.enter_context(_function(environ, port, sink, log))
    _until(lambda: _is_ready(port), stop, "The function does not get ready", log)
    events = folder / "events.log"
    if JAVA.exists():
        stack.enter_context(_debezium(environ, server.folder, events))
    stack.enter_context(loading(port))
    where = _where(
        stack, folder, port
    )  # before the trace, so that Prometheus has something by then
    print(_trace(port, sink, events, stop), where, sep="\n", flush=True)
    code = stop.wait(function)
    raise ObserveError(f"The function ended by itself, with exit code {code}:\n{_end_of(log)}")


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


def _until(done: Callable[[], bool], stop: StopRequest, otherwise: str, log: Path) -> None:
    deadline = time.monotonic() + LIMIT
    while not done():
        stop.check()
        if time.monotonic() > deadline:
            raise ObserveError(f"{otherwise}:\n{_end_of(log)}")
        time.sleep(0.2)


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-2000:] if log.exists() else ""


def _trace(port: int, sink: Sink, events: Path, stop: StopRequest) -> str:
    """Send a request that is part of a trace, and show what came of it."""
    trace_id, caller = f"{random.getrandbits(128):032x}", f"{random.getrandbits(64):016x}"
    headers = {"traceparent": f"00-{trace_id}-{caller}-01"}
    content = feedback("This is too hard")
    httpx.post(f"http://{HOST}:{port}{PATH}", content=content, headers=headers, timeout=30)
    _until(lambda: _has_root(sink, trace_id, caller), stop, "The function exports no span", events)
    lines = [describe(span) for span in sink.trace(trace_id)]
    if JAVA.exists():
        _until(lambda: trace_id in _complete(events), stop, "No event comes", events)
        [line] = [one for one in _complete(events).splitlines() if trace_id in one]
        event = json.loads(line)
        lines.append(record(event["headers"], event["topic"]))
    text = "\n".join(f"  {line}" for line in tree(lines, caller))
    note = "" if JAVA.exists() else NO_EVENTS
    return TRACE.format(trace_id=trace_id, tree=text, note=note)


def _has_root(sink: Sink, trace_id: str, caller: str) -> bool:
    """Whether the span of the request has come, which ends after those below it."""
    return any(span.parent_span_id.hex() == caller for span in sink.trace(trace_id))


def _complete(log: Path) -> str:
    """The lines that are written whole."""
    return log.read_text(encoding="utf-8").rpartition("\n")[0] if log.exists() else ""


def _where(stack: ExitStack, folder: Path, function: int) -> str:
    """Start Prometheus, which evaluates the alerts too, and the pages; say where they are."""
    address = f"http://{HOST}:{function}"
    port = free_port()
    try:
        process = programs.prometheus(folder, port, {"mentor-function": f"{HOST}:{function}"})
    except programs.MissingProgram as exc:
        return WHERE.format(function=address, prometheus=exc, dashboards=exc)
    stack.enter_context(process)
    prometheus = stack.enter_context(closing(Prometheus(f"http://{HOST}:{port}")))
    pages = stack.enter_context(dashboards(prometheus, RANGE))
    return WHERE.format(function=address, prometheus=prometheus.url, dashboards=f"{pages}/service")


if __name__ == "__main__":
    sys.exit(main())
