"""compose.yaml: what it starts, in which order, with which rights, and what it lets in."""

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
PROFILES = {"console", "k6"}
OURS = ("function", "migrate")
ONE_SHOTS = ("roles", "migrate", "topics")
LASTING = ("postgres", "function", "kafka", "debezium")


def variables(service: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = SERVICES[service]["environment"]
    return found


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in OURS])
def test_the_images_of_others_are_pinned_to_a_version(name: str) -> None:
    assert re.search(r":v?\d+\.\d+(\.\d+)?([.-]\w+)?$", SERVICES[name]["image"])


def test_versions_are_those_that_the_tests_run() -> None:
    pom = ET.parse(ROOT / "requirements/pom.xml")  # noqa: S314 - our own file
    kafka, debezium = (pom.findtext(f".//{{*}}{name}.version") for name in ("kafka", "debezium"))
    assert SERVICES["kafka"]["image"] == SERVICES["topics"]["image"] == f"apache/kafka:{kafka}"
    assert SERVICES["debezium"]["image"] == f"quay.io/debezium/server:{debezium}"
    assert f"k6 go.k6.io/k6 v{SERVICES['k6']['image'].rpartition(':')[2]}" in " ".join(
        LOCK.read_text(encoding="utf-8").split()
    )


def test_ports_are_open_to_this_machine_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert len(ports) == 4
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


@pytest.mark.parametrize("name", OURS)
def test_our_containers_have_no_rights_and_write_nothing(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_function_has_the_time_to_finish_what_is_under_way() -> None:
    assert SERVICES["function"]["stop_grace_period"] == "30s"


def test_each_waits_until_what_it_needs_is_healthy_or_done() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            wanted = "completed_successfully" if needed in ONE_SHOTS else "healthy"
            assert how == {"condition": f"service_{wanted}"}, (name, needed)
    assert before("function") == {"postgres", "roles", "migrate"}
    assert before("debezium") == {"postgres", "roles", "migrate", "kafka", "topics"}


def before(name: str) -> set[str]:
    """All that runs before it, however indirectly."""
    needed = SERVICES[name].get("depends_on", {})
    return {*needed}.union(*map(before, needed))


@pytest.mark.parametrize("name", [*LASTING, "console"])
def test_what_lasts_is_checked_and_started_again(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_the_check_of_the_function_is_the_images_own_but_for_readiness() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    [own] = re.findall(r"^HEALTHCHECK .*\\\n +CMD (\[.*\])$", dockerfile, re.MULTILINE)
    *command, path = json.loads(own)
    assert path == "/health/liveness"
    assert SERVICES["function"]["healthcheck"]["test"] == ["CMD", *command, "/health/ready"]


def test_it_says_which_variables_of_the_function_come_from_outside() -> None:
    header = (ROOT / "compose.yaml").read_text(encoding="utf-8").partition("\n\n")[0]
    passed_on = [name for name, value in variables("function").items() if value is None]
    assert ", ".join(passed_on) in " ".join(header.replace("\n#", " ").split())


def test_data_is_kept_in_named_volumes() -> None:
    assert SERVICES["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]
    assert SERVICES["kafka"]["volumes"] == [f"kafka:{variables('kafka')['KAFKA_LOG_DIRS']}"]
    assert set(COMPOSE["volumes"]) == {"postgres", "kafka"}


def test_files_of_the_repository_are_mounted_read_only() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", ())]
    files = [mount.split(":") for mount in mounts if mount.startswith(".")]
    assert len(files) == 4
    for source, _, mode in files:
        assert (ROOT / source).exists(), source
        assert mode == "ro"


def test_debezium_gets_every_variable_that_its_file_asks_for() -> None:
    text = SERVER.read_text(encoding="utf-8")
    asked = re.findall(r"=\$\{(\w+)\}", text)  # the others have a default
    assert {*asked} <= variables("debezium").keys()


def test_topics() -> None:
    guide = (ROOT / "deploy/debezium/README.md").read_text(encoding="utf-8")
    script = (ROOT / "deploy/compose/topics.sh").read_text(encoding="utf-8")
    assert list(partitions(script)) == [TOPIC, HEARTBEATS]
    assert partitions(script) == partitions(guide)
    assert variables("kafka")["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def partitions(text: str) -> dict[str, str]:
    return dict(re.findall(r"--topic (\S+)[\s\\]+--partitions (\d+)", text))


def test_each_part_connects_to_the_one_database_as_a_role_that_is_there() -> None:
    clients = [service["environment"] for service in SERVICES.values() if "PGUSER" in str(service)]
    roles = (ROOT / "deploy/compose/roles.sql").read_text(encoding="utf-8")
    made = re.findall(r"^ALTER ROLE (\w+) LOGIN", roles, re.MULTILINE)
    assert [client["PGUSER"] for client in clients] == ["postgres", *made]
    database = variables("postgres")["POSTGRES_DB"]
    assert {client["PGDATABASE"] for client in clients} == {database}
    assert f"ALTER DATABASE {database} OWNER TO" in roles


def test_postgresql_is_healthy_only_once_it_listens_to_the_others() -> None:
    check = SERVICES["postgres"]["healthcheck"]["test"]
    assert check == ["CMD", "pg_isready", "--host=127.0.0.1", "--username=postgres"]


def test_postgresql_keeps_a_log_for_debezium_within_a_bound() -> None:
    settings = dict(option[2:].split("=") for option in SERVICES["postgres"]["command"][1:])
    assert settings["wal_level"] == "logical"
    assert settings["max_slot_wal_keep_size"] == "1GB"


def resolved(*arguments: str, **environ: str) -> Mapping[str, Any]:
    """The file as Compose understands it, with no variable of this shell."""
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
def test_compose_accepts_it_with_each_profile() -> None:
    assert resolved().keys() == {*ONE_SHOTS, *LASTING}
    for profile in PROFILES:
        assert resolved("--profile", profile).keys() == {*ONE_SHOTS, *LASTING, profile}


@pytest.mark.deploy
def test_what_it_mounts_is_where_compose_looks_for_it() -> None:
    services = resolved("--profile=k6")
    mounts = [mount for service in services.values() for mount in service.get("volumes", ())]
    for mount in mounts:
        if mount["type"] == "bind":
            assert Path(mount["source"]).is_relative_to(ROOT)


@pytest.mark.deploy
def test_the_environment_moves_ports_and_sets_passwords_and_the_model() -> None:
    services = resolved(
        PORT="9000", FUNCTION_PASSWORD="new", LLM_PROVIDER="openai", LLM_MODEL="any"
    )
    [port] = services["function"]["ports"]
    assert (port["published"], port["target"], port["host_ip"]) == ("9000", 8080, "127.0.0.1")
    assert services["function"]["environment"]["PGPASSWORD"] == "new"
    assert services["roles"]["environment"]["FUNCTION_PASSWORD"] == "new"
    assert services["function"]["environment"]["LLM_MODEL"] == "any"


@pytest.mark.deploy
def test_a_password_in_single_quotes_in_env_reaches_its_services_as_it_is(tmp_path: Path) -> None:
    password = r'o$$w ${HOME} "n\e\r @:/#'
    names = ("OWNER_PASSWORD", "FUNCTION_PASSWORD", "POSTGRES_PASSWORD")
    file = tmp_path / "env"
    file.write_text("".join(f"{name}='{password}'\n" for name in names), encoding="utf-8")
    services = resolved(f"--env-file={file}")
    given = [services[name]["environment"] for name in ("migrate", "function", "roles")]
    found = [*(one["PGPASSWORD"] for one in given), *(given[-1][name] for name in names[:2])]
    assert {one.replace("$$", "$") for one in found} == {password}  # `config` doubles each $
