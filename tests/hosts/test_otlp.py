"""Spans and metrics, as a collector gets them."""

import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from dev.ports import free_port
from tests.hosts.collector import attributes, collecting
from tests.hosts.conftest import Rows
from tests.hosts.events import binary_headers, event, send_batch
from tests.instance import FEEDBACK, PATH, ROOT, running
from tests.llm.server import answers, serving

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
EVENT_TRACE = "0af7651916cd43dd8448eb211c80319c"
NAME = f"POST {PATH}"


def test_a_request_and_its_row(
    host: str, hosts_database: str, tmp_path: Path, rows: Rows, student: str
) -> None:
    """The row's traceparent is the request's span; no text of the student leaves."""
    feedback = {**FEEDBACK, "student_id": student}
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-03", "tracestate": "vendor=1,other=2"}
    with collecting() as collector:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        with running(tmp_path / "log", hosts_database, host, **environ) as function:
            function.wait_until_ready()
            function.post(feedback, headers)
            collector.wait(lambda: collector.bodies)
            function.post(feedback, {**headers, "Idempotency-Key": "k"})
            function.post(feedback, {"traceparent": f"00-{EVENT_TRACE}-{PARENT}-00"})
            assert function.terminate() == 0  # the last export needs no interval
        requests = collector.named(NAME)
        inserts = collector.named("INSERT feedback")

    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    assert {row["traceparent"] for row in rows(student)} >= {
        f"00-{TRACE}-{span.span_id.hex()}-03" for span in requests
    }
    assert len(requests) == len(inserts) == 2
    for span in requests:
        assert (span.kind, span.trace_state) == (Span.SPAN_KIND_SERVER, "vendor=1,other=2")
        assert span.parent_span_id.hex() == PARENT
        assert span.end_time_unix_nano > span.start_time_unix_nano
        assert attributes(span.attributes).items() >= {
            ("http.request.method", "POST"),
            ("http.route", PATH),
            ("http.response.status_code", 200),
            ("network.protocol.version", "1.1"),
        }
    assert {span.parent_span_id for span in inserts} == {span.span_id for span in requests}
    requests.sort(key=lambda span: span.start_time_unix_nano)
    starts = [attributes(span.attributes)["faas.coldstart"] for span in requests]
    assert starts == [True, False]
    url = urlsplit(hosts_database)
    assert attributes(inserts[0].attributes) == {
        "db.system.name": "postgresql",
        "db.namespace": url.path[1:],
        "db.collection.name": "feedback",
        "db.operation.name": "INSERT",
        "db.query.summary": "INSERT feedback",
        "server.address": url.hostname,
        "server.port": url.port,
        "mentor.group_commit.rows": 1,
    }
    resource = attributes(collector.metrics[-1].resource.attributes)
    assert resource["service.name"] == "mentor-function"
    assert uuid.UUID(resource["service.instance.id"]).version == 4
    [point] = collector.metric("mentor.feedback").sum.data_points
    assert point.as_double == 3
    sent = b"".join(collector.bodies)
    assert not any(text.encode() in sent for text in (student, str(FEEDBACK["message"])))
    [line, *_] = [one for one in function.events() if one["event"] == "request"]
    assert line["trace_id"] == TRACE
    assert line["span_id"] in {span.span_id.hex() for span in requests}


def test_a_short_life(host: str, hosts_database: str, tmp_path: Path) -> None:
    """An instance that ends right after a request is visible.

    The first ones may not have the time, because they compile what they import.
    """
    with collecting() as collector:
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_TRACES_SAMPLER": "always_on",
            "PYTHONDONTWRITEBYTECODE": "",
        }
        for _ in range(10):
            with running(tmp_path / "log", hosts_database, host, **environ) as function:
                function.wait_until_ready().post()
                assert function.terminate() == 0
            if collector.metrics and collector.named(NAME):
                return
    raise AssertionError(collector.bodies)


def test_rows_that_share_a_statement(hosts_database: str, tmp_path: Path) -> None:
    """One span for the statement: a child of the first request, linked from the others."""
    with collecting() as collector:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_TRACES_SAMPLER": "always_on"}
        with running(tmp_path / "log", hosts_database, **environ) as function:
            function.wait_until_ready()
            with ThreadPoolExecutor(16) as pool:
                list(pool.map(lambda _: function.post(), range(160)))
            assert function.terminate() == 0

    requests = {span.span_id: span for span in collector.named(NAME)}
    inserts = {span.span_id: span for span in collector.named("INSERT feedback")}
    assert len(requests) == 160
    linked = {link.span_id for span in requests.values() for link in span.links}
    assert linked <= inserts.keys()
    total = sum(attributes(one.attributes)["mentor.group_commit.rows"] for one in inserts.values())
    assert total == 160
    links = sum(len(span.links) for span in requests.values())
    assert links + len(inserts) == 160
    assert all(one.parent_span_id in requests for one in inserts.values())


def test_an_event_continues_its_own_trace(
    hosts_database: str, tmp_path: Path, rows: Rows, student: str
) -> None:
    """It has a span in its own trace, which is linked to the request that brought it."""
    headers = {
        **binary_headers(str(uuid.uuid4())),
        "ce-traceparent": f"00-{EVENT_TRACE}-{PARENT}-03",
        "ce-tracestate": "vendor=1",
        "tracestate": "other=2",
        "traceparent": f"00-{TRACE}-{PARENT}-01",
    }
    feedback = {**FEEDBACK, "student_id": student}
    with collecting() as collector:
        environ = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector.url}/v1/traces"}
        with running(tmp_path / "log", hosts_database, **environ) as function:
            function.wait_until_ready()
            assert function.post(feedback, headers).status == 200
            assert function.terminate() == 0
    [event] = collector.named("process mentor.feedback.submitted")
    [request] = collector.named(NAME)
    assert (event.trace_id.hex(), event.parent_span_id.hex()) == (EVENT_TRACE, PARENT)
    assert event.links[0].span_id == request.span_id
    assert (event.trace_state, request.trace_state) == ("vendor=1", "other=2")
    [row] = rows(student)
    assert row["traceparent"] == f"00-{EVENT_TRACE}-{event.span_id.hex()}-03"
    assert collector.metrics == []


def test_questions_about_a_batch(hosts_database: str, tmp_path: Path) -> None:
    """Each belongs to its event's trace; there are as many links as events, not their square."""
    events = [
        event(str(uuid.uuid4()), str(number))
        | {"traceparent": f"00-{number:032x}-{PARENT}-0{number % 5 != 0:d}"}
        for number in range(1, 21)
    ]
    with collecting() as collector, serving(answers()) as model:
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "LLM_PROVIDER": "openai",
            "LLM_API_KEY": "k",
            "LLM_MODEL": "m",
            "LLM_BASE_URL": f"{model.url}/v1",
        }
        with running(tmp_path / "log", hosts_database, **environ) as function:
            function.wait_until_ready()
            own = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
            assert send_batch(function, *events, **own).status == 200
            assert function.terminate() == 0
    [request] = [span for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER]
    processed = collector.named("process mentor.feedback.submitted")
    parents = [span.parent_span_id for span in collector.named("chat m")]
    assert len(processed) == 16
    sampled = [span.span_id for span in processed]
    assert sorted(parents) == sorted([*sampled, *[request.span_id] * 4])
    assert all(len(span.links) <= 3 for span in processed)  # the request and two statements


def test_odd_requests(host: str, hosts_database: str, tmp_path: Path) -> None:
    """What a stranger sends does not cost the other spans of its batch."""
    with collecting() as collector:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        with running(tmp_path / "log", hosts_database, host, **environ) as function:
            function.wait_until_ready()
            own = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
            for path in ("/%ed%a0%80", "/%ff", "/%00", "/" + "x" * 5000):
                assert function.request("GET", path, headers=own).status == 404
            for state in (
                "=",
                "a=b,a=c",
                "\xff=1",
                "x" * 600,
                ",".join(f"a{n}=1" for n in range(40)),
            ):
                assert function.request("GET", "/", headers={**own, "tracestate": state}).status
            function.post()  # the export starts soon after the first feedback
            collector.wait(lambda: collector.bodies)
            assert function.terminate() == 0
    assert len([span for span in collector.spans if span.name.startswith("GET")]) == 9
    assert all(
        len(one.value.string_value) <= 200 for it in collector.spans for one in it.attributes
    )


def test_log(host: str, hosts_database: str, tmp_path: Path) -> None:
    """The collector gets the lines that stdout has; the protocol has fields for some parts."""
    with collecting() as collector:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_LOGS_EXPORTER": "otlp"}
        with running(tmp_path / "log", hosts_database, host, **environ) as function:
            function.wait_until_ready()
            function.request("POST", PATH, b"nonsense", {"traceparent": f"00-{TRACE}-{PARENT}-00"})
            collector.wait(lambda: collector.lines)
            assert function.terminate() == 0
    [line] = [one for one in collector.lines if one.body.string_value == "request"]
    [printed] = [one for one in function.events() if one["event"] == "request"]
    assert (line.trace_id.hex(), line.span_id.hex()) == (TRACE, printed["span_id"])
    assert (line.severity_text, line.severity_number) == ("INFO", 9)
    fields = attributes(line.attributes)
    assert fields == {name: printed[name] for name in fields}
    assert fields["status"] == 400
    assert line.time_unix_nano == pytest.approx(time.time_ns(), abs=1e12)


@pytest.mark.parametrize("refusal", [404, 308])
def test_signals_fail_apart(refusal: int, hosts_database: str, tmp_path: Path) -> None:
    """Where the collector takes metrics only, the log says once that spans do not arrive.

    A redirect, such as that of a proxy to https, is no success either.
    """
    with collecting() as collector:
        collector.refused, collector.refusal = "/v1/traces", refusal
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_TRACES_SAMPLER": "always_on",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_METRIC_EXPORT_INTERVAL": "50",
            "OTEL_LOGS_EXPORTER": "otlp",
        }
        with running(tmp_path / "log", hosts_database, **environ) as function:
            function.wait_until_ready()
            for number in range(1, 4):
                function.post()
                collector.wait(lambda least=number: collector.refusals >= least)  # type: ignore[misc]
            assert function.terminate() == 0
    told = [one for one in function.events() if one["event"].startswith("telemetry")]
    assert [(one["event"], one["signal"]) for one in told] == [("telemetry not exported", "spans")]
    assert "telemetry" not in str([one.body for one in collector.lines])  # it would feed itself


def time_to_end(log_file: Path, database: str, **environ: str) -> float:
    """Seconds from SIGTERM, after a request."""
    with running(log_file, database, **environ) as function:
        function.wait_until_ready()
        assert function.post().status == 200
        before = time.monotonic()
        assert function.terminate() == 0
        return time.monotonic() - before


@pytest.mark.parametrize("death", ["refuses", "is silent", "has no name"])
def test_a_dead_collector(death: str, hosts_database: str, tmp_path: Path) -> None:
    """It costs no answer, and 2 s at the end; without that limit, both signals take 14 to 20 s.

    The log of an instance that ends before the first export has failed tells of it.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1] if death == "is silent" else free_port()
        host = "hangs.test" if death == "has no name" else "127.0.0.1"
        otlp = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{host}:{port}"}
        without = time_to_end(tmp_path / "off", hosts_database)
        hanging = {**otlp, "PYTHONPATH": str(ROOT / "tests/llm/hanging_dns")}
        with_it = time_to_end(tmp_path / "on", hosts_database, **hanging)
    assert with_it - without < 7
    assert "last telemetry not sent" in (tmp_path / "on").read_text()
    assert "last telemetry not sent" not in (tmp_path / "off").read_text()


def test_disabled(hosts_database: str, tmp_path: Path) -> None:
    with collecting() as collector:
        base = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_TRACES_SAMPLER": "always_on"}
        none = {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}
        for environ in ({"OTEL_SDK_DISABLED": "true"}, none):
            with running(tmp_path / "log", hosts_database, **base, **environ) as function:
                function.wait_until_ready().post()
                assert function.terminate() == 0
    assert collector.bodies == []
