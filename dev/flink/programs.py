"""Flink in application mode: a JobManager runs one script, a TaskManager its tasks."""

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from string import Template

import httpx

from dev.flink.rest import Job
from dev.kafka import jars
from dev.kafka.java import JavaProgram, package
from dev.paths import CLONE
from dev.ports import HOST, free_port

SCRIPTS = CLONE / "deploy/flink"
ENVIRONMENT = ".venv-flink"
DRIVER = "org.apache.flink.table.runtime.application.SqlDriver"
# What Flink's scripts in bin/ add, for Java 17.
OPENED = [
    "java.base/java.lang",
    "java.base/java.lang.invoke",
    "java.base/java.lang.reflect",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.text",
    "java.base/java.time",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/java.util.concurrent.locks",
    "java.base/sun.nio.ch",
    "java.base/sun.net.util",
]
# What these scripts compute for a machine of 1 GB.
MEMORY = {
    "taskmanager.cpu.cores": "2",
    "taskmanager.memory.task.heap.size": "256m",
    "taskmanager.memory.framework.heap.size": "128m",
    "taskmanager.memory.framework.off-heap.size": "128m",
    "taskmanager.memory.jvm-metaspace.size": "256m",
    "taskmanager.memory.jvm-overhead.min": "192m",
    "taskmanager.memory.jvm-overhead.max": "192m",
    "taskmanager.memory.task.off-heap.size": "128m",
    "taskmanager.memory.managed.size": "128m",
    "taskmanager.memory.network.min": "64m",
    "taskmanager.memory.network.max": "64m",
}


@cache  # the checksums of the files are checked once per process
def _classpath() -> str:
    distribution = package(ENVIRONMENT, "pyflink") / "lib"
    connectors = [path for path in jars.fetch("flink") if "gateway" not in path.name]
    return os.pathsep.join([str(distribution / "*"), *map(str, connectors)])


class FlinkProgram(JavaProgram):
    """A program with a folder of its own for its configuration."""

    environment = ENVIRONMENT
    start_limit = 240.0

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        super().__init__(folder)
        conf, opt = self.folder / "conf", self.folder / "opt"
        conf.mkdir(exist_ok=True)
        opt.mkdir(exist_ok=True)
        for jar in jars.fetch("flink", "*/flink-sql-gateway-*.jar"):
            (opt / jar.name).unlink(missing_ok=True)
            (opt / jar.name).symlink_to(jar)
        text = "".join(f"{name}: {value}\n" for name, value in settings.items())
        (conf / "config.yaml").write_text(text)
        self._environ |= {"FLINK_OPT_DIR": str(opt), "FLINK_CONF_DIR": str(conf)}

    def options(self, megabytes: int, main: str) -> list[str]:
        """Java's arguments up to those of the class `main`."""
        log4j = f"-Dlog4j.configurationFile={(Path(__file__).parent / 'log4j2.xml').as_uri()}"
        opened = [f"--add-opens={name}=ALL-UNNAMED" for name in OPENED]
        heap = [f"-Xmx{megabytes}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        conf = ["--configDir", str(self.folder / "conf")]
        return [*heap, *opened, log4j, "-cp", _classpath(), main, *conf]


class JobManager(FlinkProgram):
    """Runs one script, made of files of deploy/flink with their variables filled in.

    `savepoint` is where the next start begins.
    """

    name = "jobmanager"

    def __init__(self, folder: Path, scripts: Sequence[str], variables: Mapping[str, str]) -> None:
        self.rpc, self.port = free_port(), free_port()
        settings = {
            "jobmanager.rpc.address": HOST,
            "jobmanager.rpc.port": str(self.rpc),
            "rest.address": HOST,
            "rest.port": str(self.port),
            "blob.server.port": "0",
            "jobmanager.bind-host": HOST,
            "rest.bind-address": HOST,
            "parallelism.default": "2",
            "state.backend.type": "rocksdb",
            "execution.checkpointing.dir": (folder / "checkpoints").resolve().as_uri(),
        }
        super().__init__(folder, settings)
        self.script = self.folder / "script.sql"
        text = "\n".join((SCRIPTS / name).read_text(encoding="utf-8") for name in scripts)
        self.script.write_text(Template(text).safe_substitute(variables), encoding="utf-8")
        self.savepoint: str | None = None

    def arguments(self) -> Sequence[str]:
        main = "org.apache.flink.container.entrypoint.StandaloneApplicationClusterEntryPoint"
        found = ["--fromSavepoint", self.savepoint] if self.savepoint else []
        options = self.options(512, main)
        return [*options, "--job-classname", DRIVER, *found, "--scriptUri", self.script.as_uri()]

    def is_ready(self) -> bool:
        """Whether the script has submitted its job."""
        try:
            return self.job.state() in {"CREATED", "RUNNING"}
        except (httpx.HTTPError, ValueError):
            return False

    @property
    def job(self) -> Job:
        """The one job of the script."""
        return Job(f"http://{HOST}:{self.port}")


class TaskManager(FlinkProgram):
    """Runs the tasks of a JobManager; it may be killed and started again."""

    name = "taskmanager"

    def __init__(self, folder: Path, manager: JobManager) -> None:
        settings = {
            "jobmanager.rpc.address": HOST,
            "jobmanager.rpc.port": str(manager.rpc),
            "taskmanager.host": HOST,
            "taskmanager.bind-host": HOST,
            "taskmanager.numberOfTaskSlots": "2",
            **MEMORY,
        }
        super().__init__(folder, settings)

    def arguments(self) -> Sequence[str]:
        return self.options(384, "org.apache.flink.runtime.taskexecutor.TaskManagerRunner")

    def is_ready(self) -> bool:
        return "Successful registration at resource manager" in self.log
