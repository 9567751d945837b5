"""Kafka, Debezium Server and Kafka Connect."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import httpx
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic  # where its types are

from dev.debezium import SERVER
from dev.kafka import jars
from dev.kafka.java import JavaProgram, ProgramError, java
from dev.ports import HOST, free_port

# A constant: kafka-storage takes a random id that begins with a hyphen for an option.
CLUSTER_ID = "mentor-function-kafkaA"
HERE = Path(__file__).parent
LOG4J = HERE / "log4j2.xml"
BROKER, WORKER = HERE / "broker.properties", HERE / "worker.properties"  # templates
# For this machine: the health endpoint would use port 8080.
LOCAL = {"quarkus.http.host-enabled": "false", "quarkus.log.console.json.enabled": "false"}


@cache  # the checksums of the files are checked once per process
def _kafka_classpath() -> str:
    return os.pathsep.join(map(str, jars.fetch("kafka")))


def kafka_options(megabytes: int) -> list[str]:
    """Java's options for Kafka's programs, with that much heap."""
    log = f"-Dlog4j2.configurationFile={LOG4J.as_uri()}"
    return [f"-Xmx{megabytes}m", "-XX:+UseSerialGC", log, "-cp", _kafka_classpath()]


class Kafka(JavaProgram):
    """One node, both broker and controller (KRaft). Its address stays the same between starts.

    Clients can't make a topic by writing to it.
    """

    name = "kafka"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.bootstrap = f"{HOST}:{free_port()}"
        self._settings = self.folder / "kafka.properties"

    def launch(self) -> None:
        if not self._settings.exists():
            self._format()
        super().launch()

    def arguments(self) -> Sequence[str]:
        return [*kafka_options(384), "kafka.Kafka", str(self._settings)]

    def is_ready(self) -> bool:
        return "] Kafka Server started" in self.log

    def create_topic(
        self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None
    ) -> None:
        """Make a topic, with configuration such as `{"retention.ms": "60000"}`.

        Raises confluent_kafka.KafkaException, also when it exists already.
        """
        settings = dict(config or {})
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=settings)
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 4})
        admin.create_topics([topic])[name].result(30)

    def _format(self) -> None:
        port, controller = self.bootstrap.rpartition(":")[2], free_port()
        data = self.folder / "data"
        settings = BROKER.read_text().format(host=HOST, port=port, controller=controller, data=data)
        self._settings.write_text(settings)
        options = ["--cluster-id", CLUSTER_ID, "--config", str(self._settings)]
        done = subprocess.run(
            [java(), *kafka_options(128), "kafka.tools.StorageTool", "format", *options],
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ProgramError(f"Kafka's data folder could not be made:\n{done.stdout}")


class DebeziumServer(JavaProgram):
    """Debezium Server with the deployed application.properties.

    `environ` has the variables that this file names (PGHOST and so on). `overrides` are properties
    that replace the file's: {"debezium.source.poll.interval.ms": "500"}.
    """

    name = "debezium-server"

    def __init__(
        self,
        folder: Path,
        environ: Mapping[str, str],
        overrides: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(folder, environ)
        self._properties = {**LOCAL, **(overrides or {})}

    def arguments(self) -> Sequence[str]:
        config = self.folder / "config"  # where Debezium Server looks for it
        config.mkdir(exist_ok=True)
        shutil.copyfile(SERVER, config / "application.properties")
        home = jars.unpacked(jars.SERVER, jars.NEEDED) / "debezium-server"
        [runner] = home.glob("debezium-server-dist-*-runner.jar")
        return [
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "--add-opens=java.base/java.lang=ALL-UNNAMED",  # for Java 25
            *(f"-D{name}={value}" for name, value in self._properties.items()),
            "-cp",
            os.pathsep.join([str(runner), str(home / "config/lib"), f"{home / 'lib'}/*"]),
            "io.debezium.server.Main",
        ]

    def is_ready(self) -> bool:
        """Whether the snapshot is done, and it follows PostgreSQL's log."""
        return "Processing messages" in self.log


class ConnectWorker(JavaProgram):
    """Kafka Connect: one worker of a distributed cluster, with the connectors in `plugins`.

    `environ` has the variables that the connectors name (PGHOST and so on).
    """

    name = "kafka-connect"

    def __init__(
        self, folder: Path, bootstrap: str, environ: Mapping[str, str], plugins: Path
    ) -> None:
        super().__init__(folder, environ)
        self._fields = {"bootstrap": bootstrap, "host": HOST, "plugins": plugins}

    def arguments(self) -> Sequence[str]:
        file = self.folder / "worker.properties"
        file.write_text(WORKER.read_text().format(**self._fields))
        return [*kafka_options(512), "org.apache.kafka.connect.cli.ConnectDistributed", str(file)]

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self._url()}/health").status_code == 200
        except httpx.HTTPError:
            return False

    def create_connector(self, file: Path) -> None:
        """Post a deployed connector, and wait until its task runs.

        Raises ProgramError, and httpx.HTTPStatusError when the worker refuses the connector.
        """
        connector = json.loads(file.read_text(encoding="utf-8"))
        httpx.post(f"{self._url()}/connectors", json=connector, timeout=30).raise_for_status()
        deadline = time.monotonic() + self.start_limit
        while (states := self.states(connector["name"])) != ["RUNNING", "RUNNING"]:
            if "FAILED" in states or time.monotonic() > deadline:
                raise self.failure(f"has its connector and task in the states {states}")
            time.sleep(0.1)

    def states(self, name: str) -> list[str]:
        """The states of the connector and its task: RUNNING, FAILED, ...; none at first."""
        answer = httpx.get(f"{self._url()}/connectors/{name}/status", timeout=30)
        if answer.status_code == 404:
            return []
        found = answer.raise_for_status().json()
        return [str(part["state"]) for part in (found["connector"], *found["tasks"])]

    def _url(self) -> str:
        """The address that it listens on, from its log; a dead one before that."""
        found = re.search(r"REST server listening at (http://[\d.]+:\d+)", self.log)
        return found[1] if found else f"http://{HOST}:1"
