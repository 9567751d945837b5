"""The image as the platforms run it: read-only, without capabilities, as any numeric user."""

import json
from pathlib import Path

import pytest

from tests.image.container import HARDENED, MIGRATE, Container, running
from tests.image.docker import Docker
from tests.instance import STUDENT
from tests.waiting import wait_until

pytestmark = [pytest.mark.image, pytest.mark.timeout(600)]


def test_it_answers_and_stores_read_only_and_without_a_capability(container: Container) -> None:
    answer = container.post()
    assert answer.status == 200
    assert answer.json()["student_id"] == STUDENT
    assert container.get("/docs").status == 200


def test_the_migrate_job_is_the_same_image_with_another_command(
    docker: Docker, image: str, database: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with running(docker, image, log, command=MIGRATE, DATABASE_URL=database) as job:
        assert job.process.wait(60) == 0
        assert job.events()[-1]["event"] == "schema migrated"
    with running(docker, image, log, DATABASE_URL=database) as function:
        assert function.wait_until_ready().post().status == 200


@pytest.mark.parametrize("user", ["1000840000:0", "4711"])
def test_any_numeric_user_will_do(
    docker: Docker, image: str, feedback_database: str, tmp_path: Path, user: str
) -> None:
    options = (*HARDENED, f"--user={user}")
    log = tmp_path / "log"
    with running(docker, image, log, options, DATABASE_URL=feedback_database) as function:
        assert function.wait_until_ready().post().status == 200


def test_it_writes_no_file_where_it_could(
    docker: Docker, image: str, feedback_database: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with running(docker, image, log, ("--user=0",), DATABASE_URL=feedback_database) as function:
        assert function.wait_until_ready().post().status == 200
        assert function.get("/docs").status == 200
        assert docker("diff", function.name) == ""


def test_a_folder_that_it_starts_in_is_no_source_of_modules(
    docker: Docker, image: str, feedback_database: str, tmp_path: Path
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    folder.chmod(0o755)  # what its user may not read, it would not import either
    (folder / "function.py").write_text("raise SystemExit('the wrong module')")
    options = (*HARDENED, f"--volume={folder}:/work:ro", "--workdir=/work")
    log = tmp_path / "log"
    with running(docker, image, log, options, DATABASE_URL=feedback_database) as function:
        assert function.wait_until_ready().post().status == 200


def test_it_is_healthy_by_its_own_check_while_it_lives(
    docker: Docker, container: Container
) -> None:
    def status() -> str:
        return docker("inspect", "--format", "{{.State.Health.Status}}", container.name)

    wait_until(lambda: status() != "starting")
    assert status() == "healthy"


def test_the_check_fails_where_the_function_does_not_answer_200(
    docker: Docker, image: str, tmp_path: Path
) -> None:
    """Readiness without a database is 503, and liveness is not concerned."""
    nowhere = "postgresql://postgres@127.0.0.1:1/postgres"
    with running(docker, image, tmp_path / "log", DATABASE_URL=nowhere) as function:
        function.wait_until_ready(probe="/health/startup")
        assert probe(docker, function, "/health/liveness") == [0, "HTTP/1.1 200 OK"]
        assert probe(docker, function, "/health/ready") == [1, "HTTP/1.1 503 Service Unavailable"]
        elsewhere = probe(docker, function, "/health/liveness", "--env=PORT=1")
        assert elsewhere == [1, "[Errno 111] Connection refused"]


def probe(docker: Docker, container: Container, path: str, *options: str) -> list[object]:
    """The check's exit code, and what it said."""
    config = json.loads(docker("inspect", container.name))[0]["Config"]
    command = [*config["Healthcheck"]["Test"][1:-1], path]
    script = '"$@" 2>&1; echo $?'
    output = docker("exec", *options, container.name, "sh", "-c", script, "sh", *command)
    *said, code = output.splitlines()
    return [int(code), "\n".join(said)]
