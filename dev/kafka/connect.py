"""Kafka Connect: one worker of a distributed cluster, with Debezium's connector for PostgreSQL."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from dev import ports
from dev.debezium import CONNECTOR, NAME
from dev.kafka import programs
from dev.kafka.broker import jvm
from dev.kafka.java import JavaProgram

SETTINGS = """\
bootstrap.servers={bootstrap}
group.id=mentor-connect
config.storage.topic=mentor.connect.configs
offset.storage.topic=mentor.connect.offsets
status.storage.topic=mentor.connect.status
config.storage.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
offset.storage.partitions=1
status.storage.partitions=1
offset.flush.interval.ms=1000
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
config.providers=env
config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider
scheduled.rebalance.max.delay.ms=0
listeners=http://{host}:{port}
plugin.path={plugins}
plugin.discovery=service_load
"""


class ConnectWorker(JavaProgram):
    """A worker with the variables that connector.json names (PGHOST and so on)."""

    name = "kafka-connect"

    def __init__(self, folder: Path, bootstrap: str, variables: Mapping[str, str]) -> None:
        super().__init__(folder)
        (port,) = ports.free(self.folder, 1)
        self._url = f"http://{ports.HOST}:{port}"
        self._settings = SETTINGS.format(
            bootstrap=bootstrap,
            host=ports.HOST,
            port=port,
            plugins=programs.connector_plugins(),
        )
        self._variables = variables

    def environ(self) -> Mapping[str, str]:
        return self._variables

    def arguments(self) -> Sequence[str]:
        file = self.folder / "worker.properties"
        file.write_text(self._settings, encoding="utf-8")
        return [*jvm(512), "org.apache.kafka.connect.cli.ConnectDistributed", str(file)]

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self._url}/health").status_code == 200
        except httpx.HTTPError:
            return False

    def create_connector(self) -> None:
        """Post deploy/debezium/connector.json, as it is, and wait until its task runs.

        Raises ProgramError, and httpx.HTTPStatusError when the worker refuses the connector.
        """
        connector = json.loads(CONNECTOR.read_text(encoding="utf-8"))
        httpx.post(f"{self._url}/connectors", json=connector, timeout=30).raise_for_status()
        deadline = time.monotonic() + self.start_limit
        while (states := self.states()) != ["RUNNING", "RUNNING"]:
            if "FAILED" in states or time.monotonic() > deadline:
                raise self.failure(f"has its connector and task in the states {states}")
            time.sleep(0.1)

    def states(self) -> list[str]:
        """The connector's state, then its task's: RUNNING, FAILED, ...; none before it has one."""
        answer = httpx.get(f"{self._url}/connectors/{NAME}/status", timeout=30)
        if answer.status_code == 404:
            return []
        found = answer.raise_for_status().json()
        return [str(part["state"]) for part in (found["connector"], *found["tasks"])]
