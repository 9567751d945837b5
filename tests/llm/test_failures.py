"""However the model fails, the feedback is stored and answered in time."""

import gzip
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from typing import Any

import pytest

from dev.ports import free_port
from tests.instance import Instance, running
from tests.llm.conftest import KEY, Row, llm_environ, notes, post
from tests.llm.server import (
    GOOD,
    Behavior,
    ModelServer,
    answers,
    close,
    close_mid_body,
    hang,
    in_turn,
    replies,
    reset,
    says,
    sends,
    stops,
)
from tests.report import print_table

LIMIT = 2.0  # seconds: LLM_TIMEOUT
SLACK = 20.0  # seconds, for a busy machine
WORDS = "my-own-private-words"  # in the student's message
OUTPUT = "output-of-the-model"

NEUTRAL = {
    "difficulty_adjustment": 0.0,
    "topic_weights": {"general": 1.0},
    "sentiment": "neutral",
    "strategy_snapshot": {
        "difficulty_weight": 1.0,
        "feedback_based": False,
        "sentiment": "neutral",
    },
}
INVENTED = {**dict.fromkeys(GOOD, OUTPUT), "concern": "none"}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
ENDLESS = sends(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 9999, endless=True)
DRIPPED_HEAD = sends(b"HTTP/1.1 200 OK\r\n", b"X", pause=0.3, endless=True)
BOMB = gzip.compress(b"0" * 100_000_000)


@dataclass(frozen=True)
class Outcome:
    """A row of the table that is printed at the end."""

    provider: str
    did: str
    saw: str
    seconds: str
    stored: str
    reason: str


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest) -> Iterator[list[Outcome]]:
    """Collect the results of the tests, and print them at the end."""
    found: list[Outcome] = []
    yield found
    names = ["provider", "the server", "the client saw", "s", "stored", "logged"]
    print_table(request, names, [[*astuple(one)] for one in found])


@pytest.fixture(scope="module")
def llm_timeout() -> str:
    """Short, because some tests wait for it."""
    return f"{LIMIT}"


@pytest.fixture(scope="module")
def function(function: Instance) -> Iterator[Instance]:
    """One process for all these tests, in whose log there must be no secret."""
    yield function
    assert function.terminate() == 0
    for secret in (KEY, WORDS, OUTPUT):
        assert secret not in function.log


@dataclass
class Trial:
    """Sends feedback to a function whose model fails; checks the answer, the row and the log."""

    rows: Callable[[str], list[Row]]
    outcomes: list[Outcome]

    def fails(self, function: Instance, provider: str, did: str, limit: float = LIMIT) -> str:
        """Return the logged reason."""
        task, started = str(uuid.uuid4()), time.monotonic()
        answer = post(function, f"I say {WORDS}", task)
        seconds = time.monotonic() - started
        assert answer.status == 200
        assert {name: answer.json()[name] for name in NEUTRAL} == NEUTRAL
        assert seconds < limit + SLACK
        [row] = self.rows(task)
        assert row["message"] == f"I say {WORDS}"
        assert (row["strategy_snapshot"], row["sentiment"]) == (
            NEUTRAL["strategy_snapshot"],
            "neutral",
        )
        [warning] = notes(function, answer.headers["x-request-id"])
        self._note(provider, did, seconds, warning)
        return str(warning["reason"])

    def _note(self, provider: str, did: str, seconds: float, warning: dict[str, Any]) -> None:
        assert set(warning) <= {
            *("time", "level", "event", "request_id", "trace_id", "span_id"),
            *("model", "reason", "attempts", "duration_ms", "status"),
            *("error_code", "error_type", "error_param"),
            *("input_tokens", "cached_tokens", "reasoning_tokens", "output_tokens"),
        }
        status = f" {warning['status']}" if "status" in warning else ""
        reason = f"{warning['reason']}{status}, {warning['attempts']} attempts"
        saw, stored = "200, neutral", "neutral, not based on it"
        self.outcomes.append(Outcome(provider, did, saw, f"{seconds:.2f}", stored, reason))


@pytest.fixture
def trial(rows: Callable[[str], list[Row]], outcomes: list[Outcome]) -> Trial:
    return Trial(rows, outcomes)


FAULTS: dict[str, tuple[Behavior, str, int]] = {
    # The server's behavior, the logged reason, and the number of attempts.
    "hangs before its headers": (hang, "timeout", 1),
    "drips its headers": (DRIPPED_HEAD, "timeout", 1),
    "drips its body, one byte per second": (sends(HEAD, b" ", pause=1, endless=True), "timeout", 1),
    "stops in its body": (sends(HEAD, b"{", pause=30), "timeout", 1),
    "resets the connection": (reset, "unreachable", 2),
    "closes the connection": (close, "unreachable", 2),
    "closes in its body": (close_mid_body, "unreachable", 2),
    "sends no HTTP": (sends(b"220 mail.example ESMTP\r\n\r\n"), "unreachable", 2),
    "says 429": (replies(429), "status", 2),
    "says 429, Retry-After: 60": (replies(429, b"", "Retry-After: 60"), "status", 1),
    "says 500": (replies(500, OUTPUT.encode()), "status", 2),
    "says 503, Retry-After: 0": (replies(503, b"", "Retry-After: 0"), "status", 2),
    "says 401": (replies(401, OUTPUT.encode()), "status", 1),
    "says 400": (replies(400, OUTPUT.encode()), "status", 1),
    "redirects": (replies(302, b"", "Location: http://127.0.0.1:1/"), "status", 1),
    "sends HTML": (replies(200, b"<html>%s</html>" % OUTPUT.encode()), "not the API", 1),
    "sends an error": (replies(200, b'{"error": "%s"}' % OUTPUT.encode()), "provider error", 2),
    "sends other JSON": (replies(200, b'{"x": "%s"}' % OUTPUT.encode()), "not the API", 1),
    "nests JSON deeply": (replies(200, b"[" * 100_000), "not the API", 1),
    "sends 1 MB": (replies(200, b" " * 1_000_000), "too large", 1),
    "sends without an end": (ENDLESS, "too large", 1),
    "sends a gzip bomb": (replies(200, BOMB, "Content-Encoding: gzip"), "not the API", 1),
    "refuses": (stops("content_filter", "refusal", OUTPUT), "refused", 1),
    "truncates": (stops("length", "max_tokens", '{"perceived_difficulty": "o'), "truncated", 1),
    "says nothing": (says(""), "invalid answer", 1),
    "chats": (says(f"Sure! {OUTPUT}"), "invalid answer", 1),
    "forgets what is needed": (answers({"kind": "task"}), "invalid answer", 1),
    "invents it": (answers(INVENTED), "invalid answer", 1),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_faults(
    fault: str, provider: str, function: Instance, server: ModelServer, trial: Trial
) -> None:
    """Each fault gives the neutral strategy in time, and the next request is analyzed."""
    server.behavior, reason, attempts = FAULTS[fault]
    before = len(server.requests)

    assert trial.fails(function, provider, fault) == reason
    assert len(server.requests) - before == attempts

    server.behavior = answers()
    assert post(function, "and now").json()["strategy_snapshot"]["feedback_based"] is True


def test_server_never_reads(
    provider: str, function: Instance, server: ModelServer, trial: Trial
) -> None:
    """A server that never reads is given up at LLM_TIMEOUT."""
    server.behavior, server.reads = close, False
    post(function, "this one ends the open connection")
    try:
        assert trial.fails(function, provider, "never reads") == "timeout"
    finally:
        server.behavior, server.reads = answers(), True
    assert post(function, "and now").json()["sentiment"] == "frustrated"


@pytest.mark.parametrize(
    ("first", "name"),
    [
        (replies(429, b"", "Retry-After: 0"), "429 at first"),
        (replies(529), "529 at first"),
        (reset, "a reset at first"),
        (close_mid_body, "half a body at first"),
        (replies(200, b'{"error": {"code": 502}}'), "an error with 200 at first"),
    ],
)
def test_second_attempt(
    first: Behavior, name: str, provider: str, function: Instance, server: ModelServer
) -> None:
    """One more attempt is made after a failure that may be temporary."""
    server.behavior = in_turn(first, answers())
    before = len(server.requests)

    assert post(function, name).json()["sentiment"] == "frustrated"
    assert len(server.requests) - before == 2


def test_nothing_listens(llm_database: str, tmp_path: Any, trial: Trial) -> None:
    """If nothing listens at the address, the reason is `unreachable`."""
    environ = llm_environ("openai", f"http://127.0.0.1:{free_port()}")
    with running(tmp_path / "log", llm_database, **environ) as function:
        function.wait_until_ready()
        assert trial.fails(function, "openai", "does not run") == "unreachable"


def test_unknown_host(llm_database: str, tmp_path: Any, trial: Trial) -> None:
    """If the host has no address, feedback is stored, and the host is not logged."""
    environ = llm_environ("openai", "http://nowhere.invalid/v1", LLM_TIMEOUT="3")
    with running(tmp_path / "log", llm_database, **environ) as function:
        function.wait_until_ready()
        reason = trial.fails(function, "openai", "has no address", limit=3)
        assert reason in {"unreachable", "timeout"}  # depends on this machine's name server
        assert "nowhere" not in function.log


def test_tls_handshake_hangs(
    llm_database: str, tmp_path: Any, trial: Trial, model_server: ModelServer
) -> None:
    """A TLS handshake that hangs is given up at LLM_TIMEOUT."""
    model_server.reads = False
    url = model_server.url.replace("http:", "https:")
    environ = llm_environ("openai", url, LLM_TIMEOUT=f"{LIMIT}")
    with running(tmp_path / "log", llm_database, **environ) as function:
        function.wait_until_ready()
        assert trial.fails(function, "openai", "hangs in TLS") == "timeout"
        assert function.terminate() == 0
