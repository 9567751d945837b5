"""A real Kafka, Debezium Server and Kafka Connect, from Maven Central, for tests and measurements.

`Kafka`, `DebeziumServer` and `ConnectWorker` run on the Java of .venv-events; nothing of the system
is needed. `python -m dev.kafka` downloads what they need, and what is there already costs nothing.
"""

from dev.kafka.broker import Kafka
from dev.kafka.connect import ConnectWorker
from dev.kafka.java import ProgramError
from dev.kafka.server import DebeziumServer

__all__ = ["ConnectWorker", "DebeziumServer", "Kafka", "ProgramError"]
