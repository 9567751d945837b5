"""The consumer of docs/safeguarding.md alerts a person about each concern, and loses none.

librdkafka's mock brokers take the place of Kafka.
"""

import os
import re
import signal
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_string
from email.message import Message
from pathlib import Path
from uuid import UUID

import pytest
from confluent_kafka import Producer

from dev.kafka.prepare import TOPIC
from dev.ports import free_port
from tests.events.contract import code_blocks
from tests.events.group import lag
from tests.events.poison import MARK, NOT_ROWS, Content, Headers, headers, value
from tests.instance import ROOT
from tests.waiting import wait_until

[PROGRAM] = code_blocks("python", ROOT / "docs/safeguarding.md")
LOG = "consumer.log"
PLACE = re.compile(r"skipped topic \S+, partition (\d+), offset (\d+): ")
REVISED = "strategyRevised"
FOREIGN: list[Content] = [
    ([], value(concern="abuse")),
    (headers(ce_type=None), value(concern="abuse")),
    (headers(ce_type=b"another.type"), value(concern="abuse")),
    (headers("studentErased"), value("studentErased")),
    (headers(ce_id=None), value(concern="abuse")),
    (headers(ce_id=MARK.encode()), value(concern="abuse")),
    (headers(), value(id=MARK, concern="abuse")),
    (headers(REVISED), value(REVISED, feedback_id=None, concern="abuse")),
    (headers(), None),
    *((headers(), broken) for broken in NOT_ROWS),
]
IDS = [str(UUID(int=number)) for number in range(6)]


class Kafka:
    """Mock brokers, which live as long as the producer."""

    def __init__(self) -> None:
        self._producer = Producer({"test.mock.num.brokers": 1})
        (broker,) = self._producer.list_topics(timeout=30).brokers.values()
        self.bootstrap = f"{broker.host}:{broker.port}"

    def publish(self, row_id: str, name: str = "strategyUpdated", **fields: str) -> None:
        self.send(headers(name, ce_id=row_id.encode()), value(name, id=row_id, **fields))

    def send(self, its_headers: Headers, its_value: bytes | None) -> None:
        """Send a record to partition 0."""
        self._producer.produce(TOPIC, its_value, partition=0, headers=[*its_headers])
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
    with (folder / LOG).open("wb") as log:
        process = subprocess.Popen(
            program, cwd=folder, env={**os.environ, **environ}, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def alerted() -> list[str]:
    return [mail["Message-ID"].strip("<>").removesuffix("@mentor") for mail in mails]


def test_the_concern_of_a_revision_leads_to_its_feedback(kafka: Kafka, tmp_path: Path) -> None:
    kafka.publish(IDS[0], REVISED, concern="none")
    kafka.publish(IDS[1], REVISED, feedback_id=IDS[2], concern="self_harm")
    port = free_port()
    with mail_server(port), running(tmp_path, kafka, port):
        wait_until(lambda: alerted() == [IDS[1]])
    assert f"Read feedback {IDS[2]}: 'self_harm'" in mails[0].get_payload()


def test_each_concern_is_one_mail_without_the_students_words(kafka: Kafka, tmp_path: Path) -> None:
    kafka.publish(IDS[1], concern="none")
    kafka.publish(IDS[2], concern="unassessed")
    kafka.publish(IDS[3], concern="self_harm")
    kafka.publish(IDS[3], concern="self_harm")  # Debezium was killed
    kafka.publish(IDS[4], concern="unheard_of \ud800")  # of a later release
    kafka.publish(IDS[5], concern="abuse")
    port = free_port()
    with mail_server(port), running(tmp_path, kafka, port) as process:
        wait_until(lambda: IDS[5] in alerted() or process.poll() is not None)
    assert alerted() == IDS[3:]
    assert mails[0]["To"] == "duty@school.example"
    assert MARK not in str(mails[0])
    assert "self_harm" in mails[0].get_payload()


def test_records_that_are_no_events_are_skipped(kafka: Kafka, tmp_path: Path) -> None:
    for its_headers, its_value in FOREIGN:
        kafka.send(its_headers, its_value)
    kafka.publish(IDS[1], concern="abuse")
    port = free_port()
    with mail_server(port), running(tmp_path, kafka, port) as process:
        wait_until(lambda: alerted() != [] or process.poll() is not None)
    log = (tmp_path / LOG).read_text(encoding="utf-8")
    assert alerted() == [IDS[1]], log
    assert PLACE.findall(log) == [("0", str(offset)) for offset in range(len(FOREIGN))]
    assert MARK not in log


def test_sigterm_commits_the_offsets(kafka: Kafka, tmp_path: Path) -> None:
    kafka.publish(IDS[1], concern="abuse")
    port = free_port()
    with mail_server(port), running(tmp_path, kafka, port) as process:
        wait_until(lambda: alerted() != [] or process.poll() is not None)
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
    assert lag(kafka.bootstrap, TOPIC, "safeguarding") == 0


def test_a_mail_that_is_not_accepted_is_sent_by_the_next_start(
    kafka: Kafka, tmp_path: Path
) -> None:
    kafka.publish(IDS[1], concern="bullying")
    port = free_port()
    with running(tmp_path, kafka, port) as process:
        assert process.wait(120) != 0
    with mail_server(port), running(tmp_path, kafka, port):
        wait_until(lambda: alerted() == [IDS[1]])
