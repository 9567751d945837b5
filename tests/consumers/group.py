"""A consumer group: several instances of one program, which come and go."""

import os
import re
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from dev.supervisor import Process
from tests.consumers.programs import BUILDS

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
HANDLED = re.compile(rf"^({UUID}) {UUID}$", re.MULTILINE)
SKIPPED = re.compile(r"skipped .*(partition \d+, offset \d+)")
STOP_LIMIT = 180  # seconds; kafkajs waits for the end of a rebalance, up to 60 of them


class Group:
    """Two instances of a program, which all write to one file or into one database."""

    def __init__(self, language: str, folder: Path, bootstrap: str) -> None:
        folder.mkdir()
        self.language = language
        self._folder = folder
        self._log = folder / "log"
        self._environ = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": bootstrap}
        self._command = BUILDS[language](folder)
        self._instances: list[Process] = []
        self.restarts = 0

    def start(self) -> None:
        """Start one more instance."""
        self._instances.append(
            Process(self._command, log=self._log, env=self._environ, cwd=self._folder)
        )

    def restart(self) -> None:
        """Start again each instance that ended by itself, as a platform does."""
        for instance in [one for one in self._instances if one.poll() is not None]:
            instance.kill()  # what is left of it
            self._instances.remove(instance)
            self.start()
            self.restarts += 1

    def disturb(self) -> None:
        """Kill one instance, and replace it; then end the other one, and replace it."""
        killed, ended = self._instances
        self._instances.clear()
        killed.kill()
        self.start()
        ended.send_signal(signal.SIGTERM)
        ended.wait(STOP_LIMIT)
        ended.kill()  # what is left of it
        self.start()

    def stop(self) -> None:
        for instance in self._instances:
            instance.kill()

    def handled(self) -> list[str]:
        """The ids of the events that it has handled, in order, with repeats if it has any."""
        if self.language == "Python":
            return self._seen()
        return HANDLED.findall(self.log)

    @property
    def skipped(self) -> set[str]:
        """The partitions and offsets of the records that it has skipped."""
        return set(SKIPPED.findall(self.log))

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    def _seen(self) -> list[str]:
        with closing(sqlite3.connect(self._folder / "feedbacks.db", timeout=30)) as database:
            if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'seen'").fetchone():
                return []
            return [one for (one,) in database.execute("SELECT ce_id FROM seen ORDER BY rowid")]
