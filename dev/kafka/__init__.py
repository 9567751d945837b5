"""A real Kafka, Debezium Server and Kafka Connect, from Maven Central, for tests and measurements.

They run on the Java of .venv-events, and need nothing of the system.
"""

from dev.kafka.java import ProgramError
from dev.kafka.programs import ConnectWorker, DebeziumServer, Kafka

__all__ = ["ConnectWorker", "DebeziumServer", "Kafka", "ProgramError"]
