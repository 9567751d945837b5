"""Kafka: one node, broker and controller at once (KRaft), on the loopback interface."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic  # where its types are

from dev import ports
from dev.kafka import programs
from dev.kafka.java import JavaProgram, ProgramError

# A constant: of 64 random ids one begins with a hyphen, which kafka-storage takes for an option.
CLUSTER_ID = "mentor-function-kafkaA"
LOG4J = Path(__file__).with_name("log4j2.xml")
SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""


def jvm(megabytes: int) -> list[str]:
    """Java's options for Kafka's programs: so much heap, and a log that says when and who."""
    return [
        f"-Xmx{megabytes}m",
        "-XX:+UseSerialGC",
        f"-Dlog4j2.configurationFile={LOG4J.as_uri()}",
        "-cp",
        programs.kafka_classpath(),
    ]


class Kafka(JavaProgram):
    """A broker whose data lies in `folder` and, like its address, stays the same between starts.

    Clients make no topics by writing to them.
    """

    name = "kafka"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port, self._controller = ports.free(self.folder, 2)
        self._settings = self.folder / "kafka.properties"
        self._data = self.folder / "data"

    @property
    def bootstrap(self) -> str:
        """The address for clients, as KAFKA_BOOTSTRAP_SERVERS has it."""
        return f"{ports.HOST}:{self.port}"

    def launch(self) -> None:
        if not (self._data / "meta.properties").exists():
            self._format()
        super().launch()

    def arguments(self) -> Sequence[str]:
        return [*jvm(384), "kafka.Kafka", str(self._settings)]

    def is_ready(self) -> bool:
        return "] Kafka Server started" in self.log

    def create_topic(self, name: str, partitions: int = 1, **config: str) -> None:
        """Make a topic; `retention_ms="60000"` and the like set what is to be set of it.

        Raises confluent_kafka.KafkaException, also when it is there already.
        """
        topic = NewTopic(
            name,
            num_partitions=partitions,
            replication_factor=1,
            config={key.replace("_", "."): value for key, value in config.items()},
        )
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 4})
        admin.create_topics([topic])[name].result(30)

    def _format(self) -> None:
        settings = SETTINGS.format(
            host=ports.HOST, port=self.port, controller=self._controller, data=self._data
        )
        self._settings.write_text(settings, encoding="utf-8")
        options = ["--cluster-id", CLUSTER_ID, "--config", str(self._settings)]
        done = subprocess.run(
            [programs.java(), *jvm(128), "kafka.tools.StorageTool", "format", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ProgramError(f"Kafka's data folder could not be made:\n{done.stdout}")
