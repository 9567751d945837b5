"""The consumer of docs/safeguarding.md alerts a person about each concern, and loses none.

librdkafka's mock brokers take the place of Kafka.
"""

import json
import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest
from confluent_kafka import Producer

from dev.kafka.prepare import TOPIC
from dev.ports import free_port
from tests.events.contract import code_blocks, message
from tests.instance import ROOT
from tests.waiting import wait_until

(GUIDES_PROGRAM,) = code_blocks("python", ROOT / "docs/safeguarding.md")
GROUP = '"group.id": "safeguarding",'
# Otherwise the next start waits 45 seconds for the member that died.
PROGRAM = GUIDES_PROGRAM.replace(GROUP, f'{GROUP} "session.timeout.ms": 6000,')
WORDS = "Mia hits me"


class Kafka:
    """Mock brokers, which live as long as the producer."""

    def __init__(self) -> None:
        self._producer = Producer({"test.mock.num.brokers": 1})
        (broker,) = self._producer.list_topics(timeout=30).brokers.values()
        self.bootstrap = f"{broker.host}:{broker.port}"

    def publish(self, row_id: str, **fields: str) -> None:
        (example,) = message()["examples"]
        row = {**example["payload"], "id": row_id, "message": WORDS, **fields}
        headers = {**example["headers"], "ce_id": row_id}
        self._producer.produce(TOPIC, json.dumps(row), row["student_id"], headers=headers)
        assert self._producer.flush(30) == 0


@pytest.fixture
def kafka() -> Kafka:
    return Kafka()


class Smtp(socketserver.StreamRequestHandler):
    """Takes a mail."""

    def handle(self) -> None:
        self._say("220 ready")
        for line in self.rfile:
            command = line.strip().upper()
            if command == b"DATA":
                self._say("354 go on")
                mails.append(message_from_string(self._data()))
            self._say("221 bye" if command == b"QUIT" else "250 ok")

    def _data(self) -> str:
        lines = []
        for line in self.rfile:
            if line == b".\r\n":
                break
            lines.append(line.decode())
        return "".join(lines)

    def _say(self, answer: str) -> None:
        self.wfile.write(f"{answer}\r\n".encode())


mails: list[Message] = []


@contextmanager
def mail_server(port: int) -> Iterator[None]:
    mails.clear()
    socketserver.TCPServer.allow_reuse_address = True
    with socketserver.TCPServer(("127.0.0.1", port), Smtp) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def running(folder: Path, kafka: Kafka, port: int) -> "Iterator[subprocess.Popen[bytes]]":
    environ = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
        "SMTP_SERVER": f"127.0.0.1:{port}",
        "ALERT_FROM": "mentor@school.example",
        "ALERT_TO": "duty@school.example",
    }
    program = [sys.executable, "-c", PROGRAM]
    process = subprocess.Popen(program, cwd=folder, env={**os.environ, **environ})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def alerted() -> list[str]:
    return [mail["Message-ID"].strip("<>").removesuffix("@mentor") for mail in mails]


def test_the_concern_of_a_revision_leads_to_its_feedback(kafka: Kafka, tmp_path: Path) -> None:
    kafka.publish("1", concern="self_harm", feedback_id="the-feedback")
    port = free_port()
    with mail_server(port), running(tmp_path, kafka, port):
        wait_until(lambda: alerted() == ["1"])
    assert "Read feedback the-feedback: self_harm" in mails[0].get_payload()


def test_each_concern_is_one_mail_without_the_students_words(kafka: Kafka, tmp_path: Path) -> None:
    kafka.publish("1", concern="none")
    kafka.publish("2", concern="unassessed")
    kafka.publish("3", concern="self_harm")
    kafka.publish("3", concern="self_harm")  # Debezium was killed
    kafka.publish("4", concern="unheard_of")  # of a later release
    kafka.publish("5", concern="abuse")
    port = free_port()
    with mail_server(port), running(tmp_path, kafka, port) as process:
        wait_until(lambda: "5" in alerted() or process.poll() is not None)
    assert alerted() == ["3", "4", "5"]
    assert mails[0]["To"] == "duty@school.example"
    assert WORDS not in str(mails[0])
    assert "self_harm" in mails[0].get_payload()


def test_a_mail_that_is_not_accepted_is_sent_by_the_next_start(
    kafka: Kafka, tmp_path: Path
) -> None:
    kafka.publish("1", concern="bullying")
    port = free_port()
    with running(tmp_path, kafka, port) as process:
        assert process.wait(120) != 0
    with mail_server(port), running(tmp_path, kafka, port):
        wait_until(lambda: alerted() == ["1"])
