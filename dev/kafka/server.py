"""Debezium Server, with deploy/debezium/application.properties as it is deployed."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from dev.debezium import SERVER
from dev.kafka import programs
from dev.kafka.java import JavaProgram

# Of this machine, not of the chain: its health endpoint would take the port 8080.
LOCAL = {"quarkus.http.host-enabled": "false", "quarkus.log.console.json.enabled": "false"}


class DebeziumServer(JavaProgram):
    """Debezium Server with the variables that application.properties names (PGHOST and so on).

    `overrides` are properties that go over the file's, for experiments:
    {"debezium.source.poll.interval.ms": "500"}.
    """

    name = "debezium-server"

    def __init__(
        self,
        folder: Path,
        variables: Mapping[str, str],
        overrides: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(folder)
        self._variables = variables
        self._overrides = overrides or {}

    def environ(self) -> Mapping[str, str]:
        return self._variables

    def launch(self) -> None:
        """Lay the file where Debezium Server finds it: a `-D` would not go over another place."""
        config = self.folder / "config"
        config.mkdir(exist_ok=True)
        shutil.copyfile(SERVER, config / "application.properties")
        super().launch()

    def arguments(self) -> Sequence[str]:
        properties = {**LOCAL, **self._overrides}
        return [
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "--add-opens=java.base/java.lang=ALL-UNNAMED",  # Java 25 is stricter than it expects
            *(f"-D{name}={value}" for name, value in properties.items()),
            "-cp",
            programs.server_classpath(),
            "io.debezium.server.Main",
        ]

    def is_ready(self) -> bool:
        """Whether it has left the snapshot behind and follows PostgreSQL's log."""
        return "Processing messages" in self.log
