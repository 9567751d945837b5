"""/metrics, as Prometheus reads it."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from prometheus_client.parser import text_string_to_metric_families

from dev.ports import free_port
from function.http.observation import COUNTED
from function.metrics import SERIES_LIMIT
from tests.conftest import apply_schema, open_connection, temporary_database
from tests.hosts.collector import attributes, collecting
from tests.instance import FEEDBACK, PATH, STUDENT, Instance, running

Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(function: Instance, **headers: str) -> Samples:
    answer = function.get("/metrics", **headers)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    """The sum of the series with these labels."""
    return sum(
        number
        for (found, own), number in samples.items()
        if found == name and labels.items() <= dict(own).items()
    )


def test_what_is_counted(host: str, hosts_database: str, tmp_path: Path) -> None:
    with running(tmp_path / "log", hosts_database, host, METRICS="on") as function:
        function.wait_until_ready()
        for _ in range(2):
            function.post(FEEDBACK, {"Idempotency-Key": f"metrics-{host}"})
        function.request("POST", PATH, b"nonsense")
        for number in range(3):
            function.request("PURGE", f"/nothing/{number}")
        samples = scrape(function)

    duration = "http_server_request_duration_seconds_count"
    ok = {"http_route": PATH, "http_request_method": "POST", "error_type": ""}
    assert value(samples, duration, **ok, http_response_status_code="200") == 2
    assert value(samples, duration, **ok, http_response_status_code="400") == 1
    if host != "functions-framework":  # it answers other methods itself
        assert value(samples, duration, http_route="", http_request_method="_OTHER") == 3
    assert value(samples, "http_server_active_requests") == 1  # the scrape
    assert value(samples, "mentor_feedback_total", replayed="false") == 1
    assert value(samples, "mentor_feedback_total", replayed="true") == 1
    insert = {"db_operation_name": "INSERT", "error_type": ""}
    assert value(samples, "db_client_operation_duration_seconds_count", **insert) >= 1
    assert value(samples, "mentor_group_commit_rows_sum") == 1
    assert value(samples, "mentor_group_commit_wait_seconds_count") >= 3
    assert value(samples, "mentor_db_connects_total", error_type="") == 1
    assert value(samples, "mentor_build") == 1
    starts = [
        value(samples, "mentor_start_duration_seconds", until=phase)
        for phase in ("listening", "ready", "first answer")
    ]
    assert min(starts) > 0
    assert starts[2] == max(starts)
    text = str(samples)
    assert STUDENT not in text
    assert "nothing" not in text


def test_strangers_leave_series_for_errors(hosts_database: str, tmp_path: Path) -> None:
    """Whatever they send, a later 500 or 503 has a series with its route and status."""
    methods = (*COUNTED, "DELETE", "PATCH", "PUT", "QUERY", "TRACE", "PURGE")
    probes = ("startup", "liveness", "ready", "readiness")
    health = (*(f"/health/{one}" for one in probes), "/_/health", "/_/ready")
    with running(tmp_path / "log", hosts_database, METRICS="on") as function:
        function.wait_until_ready()
        for path in (*health, "/", "/v1/feedback", PATH, "/openapi.json", "/docs", "/nowhere"):
            for method in methods:
                function.request(method, path)
                function.request(method, path, headers={"Origin": "http://other.test"})
        samples = scrape(function)
    name = "http_server_request_duration_seconds_count"
    assert value(samples, name, http_route="_OTHER") == 0
    assert len([1 for found, _ in samples if found == name]) < 0.7 * SERIES_LIMIT


def test_sqlstate(tmp_path: Path, server_url: str) -> None:
    """A database without the table: 42P01, from the look at it at the start."""
    with running(tmp_path / "log", server_url, METRICS="on", DATABASE_TIMEOUT="0.5") as function:
        function.wait_until_ready(probe="/health/startup")
        assert function.post().status == 503
        samples = scrape(function)
    assert value(samples, "mentor_db_connects_total", error_type="42P01") >= 1
    failed = {"http_response_status_code": "503", "error_type": "503"}
    assert value(samples, "http_server_request_duration_seconds_count", **failed) == 1


def test_an_insert_that_fails(tmp_path: Path, server_url: str) -> None:
    """The statement has PostgreSQL's SQLSTATE, and its span too."""
    with temporary_database(server_url) as url, collecting() as collector:
        apply_schema(url)
        environ = {
            "METRICS": "on",
            "DATABASE_TIMEOUT": "1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_TRACES_SAMPLER": "always_on",
        }
        with running(tmp_path / "log", url, **environ) as function:
            function.wait_until_ready()
            with closing(open_connection(url)) as connection:
                connection.run("ALTER TABLE feedback ADD CHECK (task_id <> 'task-123')")
            assert function.post().status == 500
            samples = scrape(function)
            assert function.terminate() == 0
    failed = {"db_operation_name": "INSERT", "error_type": "23514"}
    assert value(samples, "db_client_operation_duration_seconds_count", **failed) >= 1
    [span, *_] = collector.named("INSERT feedback")
    assert attributes(span.attributes)["db.response.status_code"] == "23514"
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert b"task-123" not in b"".join(collector.bodies)


def test_series_are_bounded(instance_with_metrics: Instance) -> None:
    """Whatever clients send, the number of series stays as it is after a few requests."""
    function = instance_with_metrics
    scrape(function)  # which is a request itself
    send_odd_requests(function, 0)
    before = scrape(function).keys()
    for number in range(1, 300):
        send_odd_requests(function, number)
    after = scrape(function)
    assert after.keys() == before
    assert "odd" not in str(after)
    assert len(after) < 600


def send_odd_requests(function: Instance, number: int) -> None:
    odd = f"odd{number}"
    headers = {"Host": odd, "User-Agent": odd, "Content-Type": f"{odd}/{odd}", "traceparent": odd}
    function.request(f"ODD{number}", f"/{odd}?{odd}={odd}", headers=headers)
    function.request("POST", f"{PATH}?{odd}", odd.encode(), headers)
    function.request("POST", f"{PATH}/{odd}", odd.encode(), {"ce-type": odd, "ce-id": odd})
    function.raw(f"{odd} HTTP/9.{number}\r\n\r\n".encode())


@pytest.fixture
def instance_with_metrics(hosts_database: str, tmp_path: Path) -> Iterator[Instance]:
    with running(tmp_path / "log", hosts_database, METRICS="on") as function:
        yield function.wait_until_ready()


def test_off(host: str, instance: Instance) -> None:
    """It is off by default, because the function's port may be public."""
    assert instance.get("/metrics").status == 404


def test_token(hosts_database: str, tmp_path: Path) -> None:
    """Where there is a token, a scrape must bring it; it can be rotated without a restart."""
    token = tmp_path / "token"
    token.write_text("secret-1\n")
    environ = {"METRICS": "on", "METRICS_TOKEN_FILE": str(token)}
    with running(tmp_path / "log", hosts_database, **environ) as function:
        function.wait_until_ready()
        assert function.get("/metrics").status == 401
        assert function.get("/metrics", Authorization="Bearer secret").status == 401
        scrape(function, Authorization="Bearer secret-1")
        token.write_text("secret-2")
        assert function.get("/metrics", Authorization="Bearer secret-1").status == 401
        scrape(function, Authorization="bearer  secret-2")
        token.write_text("")
        assert function.get("/metrics", Authorization="Bearer ").status == 401
    assert "secret-" not in function.log


@pytest.mark.parametrize("version", ['"1.0.0"', "x", "1.x.0", "", "1.0.0;escaping=x", "-1"])
def test_odd_versions(instance_with_metrics: Instance, version: str) -> None:
    """A scraper gets metrics, whatever version of a format it asks for."""
    for media_type in ("text/plain", "application/openmetrics-text"):
        accept = f"{media_type};version={version}"
        assert instance_with_metrics.get("/metrics", Accept=accept).status == 200


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs Debian's prometheus")
def test_promtool(hosts_database: str, tmp_path: Path) -> None:
    """Prometheus' own linter has nothing to say."""
    with running(tmp_path / "log", hosts_database, METRICS="on") as function:
        function.wait_until_ready().post()
        text = function.get("/metrics").body
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_closed_port_is_counted(tmp_path: Path) -> None:
    closed = f"postgresql://nobody@127.0.0.1:{free_port()}/nowhere"
    with running(tmp_path / "log", closed, METRICS="on", DATABASE_TIMEOUT="0.5") as function:
        function.wait_until_ready(probe="/health/startup")
        function.post()
        kinds = {
            dict(labels)["error_type"]
            for name, labels in scrape(function)
            if name == "mentor_db_connects_total"
        }
    assert kinds
    assert all(re.fullmatch(r"\w+(Error|Refused\w*)", kind) for kind in kinds)
