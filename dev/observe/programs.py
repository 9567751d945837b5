"""Prometheus, postgres_exporter, the Collector and Debezium's agent."""

import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import httpx
import yaml

from dev.kafka import jars
from dev.observe.collector import collector
from dev.paths import CLONE
from dev.ports import HOST, free_port
from dev.supervisor import Process

FILES = CLONE / "deploy/observe"
START_LIMIT = 60.0  # seconds, on a busy machine
INTERVAL = 1  # seconds between two scrapes
# Debian's packages, by the name of their program.
PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-postgres-exporter": "prometheus-postgres-exporter",
}


class MissingProgram(Exception):
    """A program is not on the PATH; the text names Debian's package."""


def program(name: str) -> str:
    """The program's path. Raises MissingProgram."""
    found = shutil.which(name)
    if not found:
        raise MissingProgram(f"{name} is missing: apt-get install {PACKAGES[name]}")
    return found


def agent(port: int) -> Mapping[str, str]:
    """The variables with which Debezium Server serves its metrics, as JMX_EXPORTER_PORT does."""
    home = jars.unpacked(jars.SERVER, jars.NEEDED) / "debezium-server"
    [jar] = home.glob("lib_metrics/jmx_prometheus_javaagent-*.jar")
    rules = home / "config/metrics.yml"
    return {"JAVA_TOOL_OPTIONS": f"-javaagent:{jar}={HOST}:{port}:{rules}"}


def postgres_exporter(folder: Path, port: int, database: str) -> Process:
    """Start it for this URL of a database; it is ready when it listens."""
    options = [f"--web.listen-address={HOST}:{port}", "--disable-default-metrics"]
    environ = {
        "DATA_SOURCE_NAME": f"{database}?sslmode=disable",
        "PG_EXPORTER_EXTEND_QUERY_PATH": str(FILES / "queries.yml"),
    }
    return Process(
        [program("prometheus-postgres-exporter"), *options],
        log=folder / "postgres-exporter.log",
        env={**os.environ, **environ},
    )


def run_collector(folder: Path, port: int, otlp: int, kafka: str, traces: str) -> Process:
    """Start it: it serves metrics on `port`, takes OTLP on `otlp`, and sends traces to a URL."""
    local = folder / "collector.yaml"
    local.write_text(yaml.safe_dump(_local(port, otlp)), encoding="utf-8")
    environ = {"KAFKA_BOOTSTRAP_SERVERS": kafka, "TRACES_ENDPOINT": traces}
    return Process(
        [collector(), f"--config={FILES / 'collector.yaml'}", f"--config={local}"],
        log=folder / "collector.log",
        env={**os.environ, **environ},
    )


def _local(port: int, otlp: int) -> Mapping[str, object]:
    """What differs here from collector.yaml: free ports of this machine, and no waiting."""
    protocols = {
        "http": {"endpoint": f"{HOST}:{otlp}"},
        "grpc": {"endpoint": f"{HOST}:{free_port()}"},
    }
    return {
        "receivers": {
            "otlp": {"protocols": protocols},
            "kafka_metrics": {"collection_interval": "1s"},
        },
        "exporters": {"prometheus": {"endpoint": f"{HOST}:{port}"}},
        "extensions": {"health_check": {"endpoint": f"{HOST}:{free_port()}"}},
        "service": {"telemetry": {"metrics": {"level": "none"}}},
    }


def prometheus(folder: Path, port: int, targets: Mapping[str, str]) -> Process:
    """Start it with these jobs, as prometheus.yml has them or new, each with one target here."""
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(_configuration(targets)), encoding="utf-8")
    options = [
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address={HOST}:{port}",
    ]
    return Process([program("prometheus"), *options], log=folder / "prometheus.log")


def _configuration(targets: Mapping[str, str]) -> Mapping[str, object]:
    found = yaml.safe_load((FILES / "prometheus.yml").read_text(encoding="utf-8"))
    jobs = {job["job_name"]: job for job in found["scrape_configs"]}
    scraped = [
        {**jobs.get(name, {"job_name": name}), "static_configs": [{"targets": [target]}]}
        for name, target in targets.items()
    ]
    return {
        "global": dict.fromkeys(("scrape_interval", "evaluation_interval"), f"{INTERVAL}s"),
        "rule_files": [str(FILES / file) for file in found["rule_files"]],
        "scrape_configs": scraped,
    }


def wait_for(url: str) -> None:
    """Ask until it answers 200. Raises TimeoutError."""
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if httpx.get(url).status_code == 200:
                return
        time.sleep(0.1)
    raise TimeoutError(f"{url} did not answer 200 within {START_LIMIT:g} seconds")
