"""compose.yaml: the containers, their order and rights, and what is reachable from outside."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from dev.debezium import SERVER
from dev.kafka.prepare import HEARTBEATS, TOPIC
from dev.tools import LOCK, tool
from tests.instance import ROOT

COMPOSE: Mapping[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: Mapping[str, Mapping[str, Any]] = COMPOSE["services"]
OBSERVE = {"postgres-exporter", "collector", "jaeger", "prometheus", "grafana"}
PROFILES = {
    "teachers": ("views", "teachers"),
    "console": {"console"},
    "k6": {"k6"},
    "observe": OBSERVE,
}
OURS = ("function", "migrate", "views")
TEACHERS = "deploy/insights/grafana/datasources/datasources.yml"
ONE_SHOTS = ("roles", "migrate", "topics")
LASTING = ("postgres", "function", "kafka", "debezium")


def variables(service: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = SERVICES[service]["environment"]
    return found


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in OURS])
def test_pinned_images(name: str) -> None:
    """Images of other projects are pinned to a version."""
    assert re.search(r":v?\d+\.\d+(\.\d+)?([.-]\w+)?$", SERVICES[name]["image"])


def test_versions() -> None:
    """Kafka, Debezium and k6 have the versions that the tests use."""
    pom = ET.parse(ROOT / "requirements/pom.xml")  # noqa: S314 - our own file
    kafka, debezium = (pom.findtext(f".//{{*}}{name}.version") for name in ("kafka", "debezium"))
    assert SERVICES["kafka"]["image"] == SERVICES["topics"]["image"] == f"apache/kafka:{kafka}"
    assert SERVICES["debezium"]["image"] == f"quay.io/debezium/server:{debezium}"
    assert f"k6 go.k6.io/k6 v{SERVICES['k6']['image'].rpartition(':')[2]}" in " ".join(
        LOCK.read_text(encoding="utf-8").split()
    )


@pytest.mark.parametrize("name", ["grafana", "teachers"])
def test_grafana(name: str) -> None:
    """Grafana keeps the data sources of its pinned image."""
    assert variables(name)["GF_PLUGINS_PREINSTALL_AUTO_UPDATE"] == "false"


def test_ports() -> None:
    """Ports are published on the loopback interface only."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert len(ports) == 8
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


@pytest.mark.parametrize("name", OURS)
def test_hardening(name: str) -> None:
    """Our containers are read-only and have no capabilities."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_stop_grace_period() -> None:
    """The function has time to finish its requests when it stops."""
    assert SERVICES["function"]["stop_grace_period"] == "30s"


def test_order() -> None:
    """Each service starts when those that it needs are healthy or finished."""
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            wanted = "completed_successfully" if needed in {*ONE_SHOTS, "views"} else "healthy"
            assert how == {"condition": f"service_{wanted}"}, (name, needed)
    assert before("function") == {"postgres", "roles", "migrate"}
    assert before("debezium") == {"postgres", "roles", "migrate", "kafka", "topics"}


def before(name: str) -> set[str]:
    """Return all services that run before this one, also indirectly."""
    needed = SERVICES[name].get("depends_on", {})
    return {*needed}.union(*map(before, needed))


@pytest.mark.parametrize("name", [*LASTING, "console"])
def test_restart(name: str) -> None:
    """Each long-running service has a health check, and is restarted."""
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_health_check() -> None:
    """The function's check is the image's own, but asks for readiness."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    [own] = re.findall(r"^HEALTHCHECK .*\\\n +CMD (\[.*\])$", dockerfile, re.MULTILINE)
    *command, path = json.loads(own)
    assert path == "/health/liveness"
    assert SERVICES["function"]["healthcheck"]["test"] == ["CMD", *command, "/health/ready"]


def test_documented_variables() -> None:
    """The header lists the function's variables that come from the environment."""
    header = (ROOT / "compose.yaml").read_text(encoding="utf-8").partition("\n\n")[0]
    passed_on = [name for name, value in variables("function").items() if value is None]
    assert ", ".join(passed_on) in " ".join(header.replace("\n#", " ").split())


def test_volumes() -> None:
    """Data is stored in named volumes, but for traces and Grafana's own."""
    assert SERVICES["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]
    assert SERVICES["kafka"]["volumes"] == [f"kafka:{variables('kafka')['KAFKA_LOG_DIRS']}"]
    assert "prometheus:/prometheus" in SERVICES["prometheus"]["volumes"]
    assert set(COMPOSE["volumes"]) == {"postgres", "kafka", "prometheus"}


def test_mounts() -> None:
    """Files of the repository exist, and are mounted read-only."""
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", ())]
    files = [mount.split(":") for mount in mounts if mount.startswith(".")]
    assert len(files) == 12
    for source, _, mode in files:
        assert (ROOT / source).exists(), source
        assert mode == "ro"


def test_debezium_variables() -> None:
    """Debezium gets each variable that its configuration requires."""
    text = SERVER.read_text(encoding="utf-8")
    asked = re.findall(r"=\$\{(\w+)\}", text)  # the others have a default
    assert {*asked} <= variables("debezium").keys()


def test_topics() -> None:
    """The topics are Debezium's, with the partitions that its guide gives them."""
    guide = (ROOT / "deploy/debezium/README.md").read_text(encoding="utf-8")
    script = (ROOT / "deploy/compose/topics.sh").read_text(encoding="utf-8")
    assert list(partitions(script)) == [TOPIC, HEARTBEATS]
    assert partitions(script) == partitions(guide)
    assert variables("kafka")["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def partitions(text: str) -> dict[str, str]:
    return dict(re.findall(r"(?:--topic|create) (\S+)[\s\\]+(?:--partitions )?(\d+)", text))


def test_roles() -> None:
    """Each client of PostgreSQL uses the same database and a role that exists."""
    clients = [service["environment"] for service in SERVICES.values() if "PGUSER" in str(service)]
    roles = (ROOT / "deploy/compose/roles.sql").read_text(encoding="utf-8")
    made = re.findall(r"^ALTER ROLE (\w+) LOGIN", roles, re.MULTILINE)
    sources = yaml.safe_load((ROOT / TEACHERS).read_text(encoding="utf-8"))
    others = {
        variables("postgres-exporter")["DATA_SOURCE_USER"],
        sources["datasources"][0]["user"],
    }
    assert {client["PGUSER"] for client in clients} | others == {"postgres", *made}
    database = variables("postgres")["POSTGRES_DB"]
    assert {client["PGDATABASE"] for client in clients} == {database}
    assert f"ALTER DATABASE {database} OWNER TO" in roles


def test_postgresql_check() -> None:
    """PostgreSQL is healthy only when it listens on TCP."""
    check = SERVICES["postgres"]["healthcheck"]["test"]
    assert check == ["CMD", "pg_isready", "--host=127.0.0.1", "--username=postgres"]


def test_postgresql_log() -> None:
    """PostgreSQL keeps a bounded log for Debezium."""
    settings = dict(option[2:].split("=") for option in SERVICES["postgres"]["command"][1:])
    assert settings["wal_level"] == "logical"
    assert settings["max_slot_wal_keep_size"] == "1GB"


def resolved(*arguments: str, **environ: str) -> Mapping[str, Any]:
    """Return the services as Compose reads them, with these variables only."""
    command: list[str | Path] = [tool("compose"), *arguments, "config", "--format=json"]
    kept = {name: os.environ[name] for name in ("HOME", "PATH")}
    done = subprocess.run(
        command, cwd=ROOT, env={**kept, **environ}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: Mapping[str, Any] = json.loads(done.stdout)["services"]
    return found


@pytest.mark.deploy
def test_profiles() -> None:
    """Compose accepts the file; only what is not needed to serve has a profile."""
    assert resolved().keys() == {*ONE_SHOTS, *LASTING}
    for profile, services in PROFILES.items():
        assert resolved("--profile", profile).keys() == {*ONE_SHOTS, *LASTING, *services}


@pytest.mark.deploy
def test_environment() -> None:
    """Variables change the port, the passwords and the model."""
    services = resolved(
        PORT="9000", FUNCTION_PASSWORD="new", LLM_PROVIDER="openai", LLM_MODEL="any"
    )
    [port] = services["function"]["ports"]
    assert (port["published"], port["target"], port["host_ip"]) == ("9000", 8080, "127.0.0.1")
    assert services["function"]["environment"]["PGPASSWORD"] == "new"
    assert services["roles"]["environment"]["FUNCTION_PASSWORD"] == "new"
    assert services["function"]["environment"]["LLM_MODEL"] == "any"


@pytest.mark.deploy
def test_telemetry() -> None:
    """The function sends telemetry only where the user says, such as to the Collector."""
    name, endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"
    assert resolved("--profile", "observe")["function"]["environment"][name] is None
    assert resolved(**{name: endpoint})["function"]["environment"][name] == endpoint


@pytest.mark.deploy
def test_quoted_password(tmp_path: Path) -> None:
    """A password in single quotes in .env reaches its services unchanged."""
    password = r'o$$w ${HOME} "n\e\r @:/#'
    names = ("OWNER_PASSWORD", "FUNCTION_PASSWORD", "POSTGRES_PASSWORD")
    file = tmp_path / "env"
    file.write_text("".join(f"{name}='{password}'\n" for name in names), encoding="utf-8")
    services = resolved(f"--env-file={file}")
    given = [services[name]["environment"] for name in ("migrate", "function", "roles")]
    found = [*(one["PGPASSWORD"] for one in given), *(given[-1][name] for name in names[:2])]
    assert {one.replace("$$", "$") for one in found} == {password}  # `config` doubles each $
