"""The programs that other tests and the benchmarks start and kill."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Producer

from dev.kafka import DebeziumServer, Kafka, ProgramError
from dev.kafka.java import JavaProgram
from dev.supervisor import wait_until_gone
from tests.events.topic import read
from tests.instance import ROOT

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

KILLED = """
import os, pathlib, signal, sys
from dev.kafka import Kafka
kafka = Kafka(pathlib.Path(sys.argv[1]))
kafka.launch()
print(kafka.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_kafka_restart(tmp_path: Path) -> None:
    """Kafka keeps its records and its address when it is killed or stopped."""
    with Kafka(tmp_path) as kafka:
        address = kafka.bootstrap
        kafka.create_topic("kept")
        producer = Producer({"bootstrap.servers": address})
        producer.produce("kept", b"a value")
        assert producer.flush(30) == 0
        kafka.kill()
        assert kafka.exit_code() == -signal.SIGKILL
        kafka.start()
        kafka.stop()
        assert kafka.exit_code() == 128 + signal.SIGTERM
        kafka.start()
        assert kafka.bootstrap == address
        assert [record.value for record in read(address, "kept", bool)] == [b"a value"]


def test_cluster_id(tmp_path: Path) -> None:
    """Kafka's cluster id is always the same."""
    for name in ("first", "second"):
        kafka = Kafka(tmp_path / name)
        kafka.launch()
        kafka.kill()
    first, second = (file.read_text() for file in sorted(tmp_path.glob("*/data/meta.properties")))
    assert cluster_id(first) == cluster_id(second)


def cluster_id(properties: str) -> str:
    [line] = [line for line in properties.splitlines() if line.startswith("cluster.id=")]
    return line


def test_killed_owner(tmp_path: Path) -> None:
    """A program ends when its owner is killed."""
    owner = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert owner.returncode == -signal.SIGKILL
    pid = int(owner.stdout)
    if psutil.pid_exists(pid):
        assert wait_until_gone([psutil.Process(pid)], 60)


def test_failed_start(tmp_path: Path) -> None:
    """If a program does not start, the error contains its output."""

    class Misspelt(JavaProgram):
        name = "misspelt"

        def arguments(self) -> Sequence[str]:
            return ["no.such.Main"]

        def is_ready(self) -> bool:
            return False

    program = Misspelt(tmp_path)
    with pytest.raises(ProgramError, match=r"(?s)misspelt ended with exit code 1.*no\.such\.Main"):
        program.start()
    assert program.pid is None


def test_override(tmp_path: Path) -> None:
    """An override replaces a deployed setting of Debezium."""
    nowhere = dict.fromkeys(("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD"), "1")
    variables = {**nowhere, "PGSSLMODE": "disable", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    server = DebeziumServer(tmp_path, variables, {"debezium.sink.type": "no-such-sink"})
    with pytest.raises(ProgramError, match="no-such-sink"):
        server.start()
