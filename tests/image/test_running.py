"""The image as platforms run it: read-only, without capabilities, as any numeric user."""

import json
from pathlib import Path

import pytest

from tests.hosts.pyroscope import receiving
from tests.image.container import HARDENED, MIGRATE, Container, running
from tests.image.docker import Docker
from tests.instance import STUDENT
from tests.waiting import wait_until

pytestmark = [pytest.mark.image, pytest.mark.timeout(600)]


def test_read_only(container: Container) -> None:
    """A read-only container without capabilities stores feedback and serves /docs."""
    answer = container.post()
    assert answer.status == 200
    assert answer.json()["student_id"] == STUDENT
    assert container.get("/docs").status == 200


def test_profiles(docker: Docker, image: str, feedback_database: str, tmp_path: Path) -> None:
    """Profiles need neither a capability nor a file."""
    with receiving() as pyroscope:
        environ = {"DATABASE_URL": feedback_database, "PYROSCOPE_SERVER_ADDRESS": pyroscope.url}
        with running(docker, image, tmp_path / "log", **environ) as function:
            pyroscope.wait(function.wait_until_ready())
    assert b"function/http/asgi.py" in pyroscope.sent


def test_migrate_job(docker: Docker, image: str, database: str, tmp_path: Path) -> None:
    """The same image, with another command, is the migrate job."""
    log = tmp_path / "log"
    with running(docker, image, log, command=MIGRATE, DATABASE_URL=database) as job:
        assert job.process.wait(60) == 0
        assert job.events()[-1]["event"] == "schema migrated"
    with running(docker, image, log, DATABASE_URL=database) as function:
        assert function.wait_until_ready().post().status == 200


@pytest.mark.parametrize("user", ["1000840000:0", "4711"])
def test_numeric_user(
    docker: Docker, image: str, feedback_database: str, tmp_path: Path, user: str
) -> None:
    """The image works as any numeric user."""
    options = (*HARDENED, f"--user={user}")
    log = tmp_path / "log"
    with running(docker, image, log, options, DATABASE_URL=feedback_database) as function:
        assert function.wait_until_ready().post().status == 200


def test_no_files(docker: Docker, image: str, feedback_database: str, tmp_path: Path) -> None:
    """The function writes no file, even where it may."""
    log = tmp_path / "log"
    with running(docker, image, log, ("--user=0",), DATABASE_URL=feedback_database) as function:
        assert function.wait_until_ready().post().status == 200
        assert function.get("/docs").status == 200
        assert docker("diff", function.name) == ""


def test_working_directory(
    docker: Docker, image: str, feedback_database: str, tmp_path: Path
) -> None:
    """No module is imported from the working directory."""
    folder = tmp_path / "work"
    folder.mkdir()
    folder.chmod(0o755)  # so that the user could import it
    (folder / "function.py").write_text("raise SystemExit('the wrong module')")
    options = (*HARDENED, f"--volume={folder}:/work:ro", "--workdir=/work")
    log = tmp_path / "log"
    with running(docker, image, log, options, DATABASE_URL=feedback_database) as function:
        assert function.wait_until_ready().post().status == 200


def test_healthy(docker: Docker, container: Container) -> None:
    """Docker's health check finds the container healthy."""

    def status() -> str:
        return docker("inspect", "--format", "{{.State.Health.Status}}", container.name)

    wait_until(lambda: status() != "starting")
    assert status() == "healthy"


def test_unhealthy(docker: Docker, image: str, tmp_path: Path) -> None:
    """The health check fails unless the probe gets 200; liveness needs no database."""
    nowhere = "postgresql://postgres@127.0.0.1:1/postgres"
    with running(docker, image, tmp_path / "log", DATABASE_URL=nowhere) as function:
        function.wait_until_ready(probe="/health/startup")
        assert probe(docker, function, "/health/liveness") == [0, "HTTP/1.1 200 OK"]
        assert probe(docker, function, "/health/ready") == [1, "HTTP/1.1 503 Service Unavailable"]
        elsewhere = probe(docker, function, "/health/liveness", "--env=PORT=1")
        assert elsewhere == [1, "[Errno 111] Connection refused"]


def probe(docker: Docker, container: Container, path: str, *options: str) -> list[object]:
    """Run the health check; return its exit code and its output."""
    config = json.loads(docker("inspect", container.name))[0]["Config"]
    command = [*config["Healthcheck"]["Test"][1:-1], path]
    script = '"$@" 2>&1; echo $?'
    output = docker("exec", *options, container.name, "sh", "-c", script, "sh", *command)
    *said, code = output.splitlines()
    return [int(code), "\n".join(said)]
