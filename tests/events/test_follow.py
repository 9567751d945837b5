"""`make events` shows the events that Kafka would get, and continues where it stopped."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from dev.events.event import Event, writer
from dev.postgres import EmbeddedPostgres
from tests.conftest import open_connection
from tests.events.follower import (
    INSERT,
    PATIENCE,
    command,
    following,
    insert,
    messages,
    server_of_make_run,
)
from tests.events.revision import revise
from tests.instance import FEEDBACK, ROOT, STUDENT, running
from tests.signals import receivable

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"
ROW = """
SELECT id::text, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       traceparent, message, topic_weights::text, strategy_snapshot::text
FROM feedback
"""
SLOTS = "SELECT * FROM pg_replication_slots WHERE slot_name = 'mentor_events'"
ROLES = """
SELECT DISTINCT usename, usesuper, userepl, usecreatedb
FROM pg_stat_activity JOIN pg_user USING (usename)
WHERE application_name ILIKE '%debezium%' OR backend_type = 'walsender'
"""
WRITES = "SELECT has_table_privilege('mentor_debezium', 'feedback', 'INSERT, UPDATE, DELETE')"


@pytest.fixture(autouse=True)
def _no_other_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)


@pytest.fixture(scope="module")
def server_of_all() -> Iterator[EmbeddedPostgres]:
    with server_of_make_run() as server:
        yield server


@pytest.fixture
def server(server_of_all: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    """A server without rows and without the slot of `make events`."""
    yield server_of_all
    shutil.rmtree(server_of_all.folder / "events", ignore_errors=True)
    with closing(open_connection(server_of_all.url("mentor"))) as connection:
        while connection.run(f"SELECT FROM ({SLOTS}) AS slots WHERE active"):
            time.sleep(0.05)
        connection.run(f"SELECT pg_drop_replication_slot(slot_name) FROM ({SLOTS}) AS slots")
        connection.run("TRUNCATE feedback, strategy_revision, student_erasure")


@pytest.fixture
def url(server: EmbeddedPostgres) -> str:
    return server.url("mentor")


def test_event(server: EmbeddedPostgres, url: str, tmp_path: Path) -> None:
    """The event of a feedback is its row as a CloudEvent, read by a role with few rights."""
    with running(tmp_path / "log", url) as instance, following(server.folder) as follower:
        instance.wait_until_ready()
        follower.until_following()
        message = 'So "hard" \u009b[31m, 太难了 😀\n'
        instance.post({**FEEDBACK, "message": message}, {"traceparent": TRACEPARENT})
        [event] = follower.until_shown(1)
        assert event == event_of_the_row(url)
        assert event["value"]["message"] == message
        assert TRACE_ID in event["headers"]["ce_traceparent"]
        assert_debezium_has_few_rights(url)
        assert_no_second_one_starts(server)
        assert len(follower.events) == 1  # a heartbeat is not an event
        follower.stop()


def event_of_the_row(url: str) -> dict[str, object]:
    with closing(open_connection(url)) as connection:
        [[row_id, created_at, traceparent, message, weights, snapshot]] = connection.run(ROW)
    return {
        "topic": "mentor.feedback",
        "key": STUDENT,
        "headers": {
            "ce_id": row_id,
            "ce_time": created_at,
            "ce_traceparent": traceparent,
            "ce_specversion": "1.0",
            "ce_type": "mentor.strategy.updated",
            "ce_source": "/mathtrail/mentor",
            "content-type": "application/json",
        },
        "value": {
            "id": row_id,
            "student_id": STUDENT,
            "task_id": FEEDBACK["task_id"],
            "message": message,
            "perceived_difficulty": "ok",
            "difficulty_adjustment": 0.0,
            "topic_weights": weights,
            "sentiment": "neutral",
            "strategy_snapshot": snapshot,
            "created_at": created_at,
            "traceparent": traceparent,
            "concern": "unassessed",
        },
    }


def test_revision(server: EmbeddedPostgres, url: str) -> None:
    """A revised strategy is an event of its own type, in a snapshot and while rows are written."""
    insert(url, 1, 2)
    revise(url, "message 1")
    with following(server.folder) as follower:
        follower.until_following()
        revise(url, "message 2")
        events = follower.until_shown(4)
        follower.stop()
    updated, revised = "mentor.strategy.updated", "mentor.strategy.revised"
    assert [event["headers"]["ce_type"] for event in events] == [updated, updated, revised, revised]
    for feedback, revision in zip(events[:2], events[2:], strict=True):
        assert_revises(revision, feedback)


def assert_revises(event: dict[str, Any], feedback: dict[str, Any]) -> None:
    value = event["value"]
    assert (event["topic"], event["key"]) == (feedback["topic"], feedback["key"])
    assert event["headers"] == {
        **feedback["headers"],
        "ce_id": value["id"],
        "ce_time": value["created_at"],
        "ce_traceparent": value["traceparent"],
        "ce_type": "mentor.strategy.revised",
        "ce_subject": feedback["value"]["id"],
    }
    assert value["feedback_id"] == feedback["value"]["id"]
    assert value["feedback_created_at"] == feedback["value"]["created_at"]
    assert value["perceived_difficulty"] == "hard"
    assert "message" not in value


def assert_debezium_has_few_rights(url: str) -> None:
    with closing(open_connection(url)) as connection:
        assert connection.run(ROLES) == [["mentor_debezium", False, True, False]]
        assert connection.run(WRITES) == [[False]]


def assert_no_second_one_starts(server: EmbeddedPostgres) -> None:
    second = subprocess.run(
        command(server.folder), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert second.stdout == ""
    assert second.stderr.startswith("Another `make events` of this clone")


@receivable(signal.SIGHUP)
def test_restart(server: EmbeddedPostgres, url: str) -> None:
    """Each start continues where the one before stopped."""
    insert(url, 1, 3)
    for number, stop in enumerate([signal.SIGINT, signal.SIGTERM, signal.SIGHUP]):
        first = 10 * number + 1
        with following(server.folder) as follower:
            follower.until_following()
            insert(url, first + 3, first + 5)
            follower.until_message(f"message {first + 5}")
            follower.stop(stop)
            assert follower.messages == messages(first, first + 5)
        insert(url, first + 10, first + 12)
    assert left_of(server) == []


def test_stop_during_start(server: EmbeddedPostgres) -> None:
    """It can be stopped while it starts."""
    with following(server.folder) as follower:
        follower.until_said("Starting Debezium")
        follower.stop()


def test_stop_without_postgresql(server: EmbeddedPostgres) -> None:
    """It can be stopped while PostgreSQL does not answer."""
    with following(server.folder) as follower:
        follower.until_said("Starting Debezium")
        with server.frozen():
            follower.stop()
        assert "Waiting" not in follower.said  # it did not wait for the connection's time limit


def test_kill(server: EmbeddedPostgres, url: str) -> None:
    """After SIGKILL, no event is lost or out of order."""
    shown: list[list[str]] = []
    inserting = threading.Thread(target=insert_steadily, args=[url, 300])
    inserting.start()
    for kills in range(3):
        with following(server.folder) as follower:
            follower.until_shown(20)
            if kills == 2:
                inserting.join()
                follower.until_message("message 300")
            follower.kill()
            shown.append(follower.messages)
    assert list(dict.fromkeys(chain.from_iterable(shown))) == messages(1, 300)
    for events in shown:  # without repeats, each run is in order and has no gap
        firsts = list(dict.fromkeys(events))
        first, last = (int(firsts[place].split()[1]) for place in (0, -1))
        assert firsts == messages(first, last)


def insert_steadily(url: str, last: int) -> None:
    with closing(open_connection(url)) as connection:
        for number in range(1, last + 1):
            connection.run(INSERT, first=number, last=number)
            time.sleep(0.02)


def test_closed_pipe(server: EmbeddedPostgres, url: str) -> None:
    """It ends without an error when its reader closes the pipe."""
    insert(url, 1, 500)
    done = subprocess.run(
        ["sh", "-c", '"$@" | head -n 3', "sh", *command(server.folder, "--json")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    shown = [json.loads(line)["value"]["message"] for line in done.stdout.splitlines()]
    assert shown == messages(1, 3)
    assert "Traceback" not in done.stderr
    assert "Stopped" not in done.stderr


def test_full_pipe(server: EmbeddedPostgres, url: str) -> None:
    """Ctrl-C works while its reader does not read."""
    insert(url, 1, 500)  # more than a pipe can hold
    with subprocess.Popen(
        command(server.folder),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()  # the rest stays in the pipe
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
        assert first == b"mentor.feedback\n"
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


def test_terminal(server: EmbeddedPostgres, url: str) -> None:
    """On a terminal, escape sequences in a message are not passed on."""
    with closing(open_connection(url)) as connection:
        connection.run(
            """INSERT INTO feedback (student_id, message, perceived_difficulty, strategy_snapshot,
                                     difficulty_adjustment)
               VALUES (:student, :message, 'ok', '{"a": [1.50]}', 1e-7)""",
            student=STUDENT,
            message="\x1b[31mred \u009b2J \u202eback\u061c\nö",
        )
    text = on_a_terminal(command(server.folder))
    assert text.startswith("\x1b[1mmentor.feedback\x1b[0m\n")
    text = re.sub(r"\x1b\[[012]m", "", text)  # bold, dim, plain
    assert "\x1b" not in text
    assert f"  key      {STUDENT}\n" in text
    assert "           ce_type         mentor.strategy.updated\n" in text
    assert r'           message                "\u001b[31mred \u009b2J \u202eback\u061c\nö"' in text
    assert '           strategy_snapshot      {"a": [1.50]}  (JSON in a string)\n' in text
    assert "           difficulty_adjustment  1.0E-7\n" in text
    assert "           task_id                null\n" in text


def on_a_terminal(arguments: Sequence[str | Path]) -> str:
    """Run the command on a terminal; return its output up to the first event."""
    controller, terminal = pty.openpty()
    environ = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    with subprocess.Popen(
        arguments, cwd=ROOT, env=environ, stdout=terminal, stderr=subprocess.DEVNULL
    ) as process:
        os.close(terminal)
        text = b""
        while not text.endswith(b"\r\n\r\n"):
            text += os.read(controller, 4096)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    os.close(controller)
    return text.decode().replace("\r\n", "\n")


@pytest.mark.parametrize(("environ", "colors"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colors(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    environ: dict[str, str],
    colors: bool,
) -> None:
    """Colors are used on terminals, unless NO_COLOR is set."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    event = Event("topic", "key", {"ce_id": "1"}, '{"id": 1}')
    writer(as_json=False)(event)
    assert ("\x1b" in capfd.readouterr().out) is colors


def left_of(server: EmbeddedPostgres) -> list[str]:
    """Return the processes of any `make events` for this server that still run."""
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in listing.stdout.splitlines() if f"--data {server.folder}" in line]
