"""Nothing that leaves the process contains a secret or a student's words, whatever fails."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.issuer import Issuer, issuing
from tests.instance import running
from tests.llm.server import ModelServer, answers, replies, serving
from tests.security.caller import (
    Caller,
    mislead,
    read_pages,
    refuse_callers,
    refuse_requests,
    refuse_rows,
)
from tests.security.canary import (
    COLLECTOR_TOKEN,
    MESSAGE,
    METRICS_TOKEN,
    MODEL_KEY,
    OTHER,
    SECRETS,
    WORDS,
    found,
)
from tests.security.conftest import Database, files, process_outputs


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as server:
        yield server


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with serving(answers()) as server:
        yield server


@pytest.fixture
def elsewhere() -> Iterator[ModelServer]:
    with serving(answers()) as server:
        yield server


@pytest.fixture
def collector() -> Iterator[ModelServer]:
    with serving(replies(200, b"")) as server:
        yield server


def test_all_that_leaves(
    database: Database,
    host: str,
    issuer: Issuer,
    model: ModelServer,
    elsewhere: ModelServer,
    collector: ModelServer,
    tmp_path: Path,
) -> None:
    database.run("ALTER ROLE canary SET log_error_verbosity = terse")
    database.mark()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    provider = "anthropic" if host == "knative" else "openai"
    environ = {
        **issuer.environ,
        **given(model.url, LLM_PROVIDER=provider, TMPDIR=str(temporary)),
        **telemetry(collector.url, tmp_path),
    }
    with running(tmp_path / "log", database.url(), host, **environ) as function:
        function.wait_until_ready()
        caller = Caller(function, issuer)
        read_pages(caller)
        refuse_callers(caller)
        refuse_requests(caller)
        refuse_rows(caller)
        mislead(caller, model, elsewhere.url)
        running_outputs = process_outputs(function)
        assert function.terminate() == 0

    outputs = {
        "log": function.log.encode(),
        **running_outputs,
        **files(temporary),
        **database.outputs(),
    }
    assert found(outputs, (caller.student, *WORDS, *SECRETS)) == []
    assert found(caller.outputs(), (MESSAGE, *SECRETS)) == []
    assert elsewhere.requests + elsewhere.warm_ups == []
    assert found(sent_to(model, MODEL_KEY), (caller.student, *SECRETS)) == []
    assert found(heads(model), WORDS) == []
    assert collector.requests
    assert found(sent_to(collector, COLLECTOR_TOKEN), (caller.student, *WORDS, *SECRETS)) == []


def given(model_url: str, **more: str) -> dict[str, str]:
    """Variables with secrets, and with the most talkative settings."""
    return {
        "LLM_PROVIDER": "openai",
        "LLM_BASE_URL": f"{model_url}/v1",
        "LLM_MODEL": "model-1",
        "LLM_API_KEY": MODEL_KEY,
        "LLM_TIMEOUT": "2",
        "DATABASE_TIMEOUT": "2",
        "METRICS_TOKEN": METRICS_TOKEN,
        "OTHER_SECRET": OTHER,
        "PGPASSWORD": OTHER,
        "LOG_LEVEL": "DEBUG",
        "PYTHONDEVMODE": "1",
        **more,
    }


def telemetry(collector_url: str, folder: Path) -> dict[str, str]:
    """Variables for everything that a collector or Prometheus could get."""
    token_file = folder / "metrics-token"
    token_file.write_text(METRICS_TOKEN)
    return {
        "METRICS": "on",
        "METRICS_TOKEN_FILE": str(token_file),
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector_url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {COLLECTOR_TOKEN}",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_TRACES_SAMPLER": "always_on",
    }


def sent_to(server: ModelServer, key: str) -> dict[str, bytes]:
    """What a server got, but for the key in its header."""
    sent = {}
    for number, request in enumerate([*server.requests, *server.warm_ups]):
        headers = dict(request.headers)
        keys = [headers.pop(name, "") for name in ("authorization", "x-api-key")]
        assert any(key in value for value in keys)
        sent[f"request {number}"] = f"{request.path} {headers}".encode() + request.body
    return sent


def heads(server: ModelServer) -> dict[str, bytes]:
    """The heads of what a server got."""
    requests = [*server.requests, *server.warm_ups]
    return {one.path: f"{one.path} {one.headers}".encode() for one in requests}
