"""A real Flink, from PyPI and Maven Central, for the scripts of deploy/flink.

It runs on the Java of .venv-flink, and needs nothing of the system.
"""

from dev.flink.programs import JobManager, TaskManager
from dev.flink.rest import Job

__all__ = ["Job", "JobManager", "TaskManager"]
