"""The image of the insights, as its CronJobs run it."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from dev import demo
from dev.postgres import EmbeddedPostgres
from tests.conftest import open_connection
from tests.deploy.test_insights import JOBS
from tests.image.container import HARDENED, Container, running
from tests.image.docker import Docker
from tests.setup.lock import pinned
from tests.waiting import wait_until

pytestmark = [pytest.mark.image, pytest.mark.timeout(600)]

TMP = "--tmpfs=/tmp:size=64m"
ARGUMENTS = [
    job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"] for job in JOBS
]
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@contextmanager
def job(
    docker: Docker,
    image: str,
    log: Path,
    arguments: Sequence[str],
    options: Sequence[str] = (),
    **environ: str,
) -> Iterator[Container]:
    """Run a job until the end of the block."""
    hardened = (*HARDENED, TMP, *options)
    with running(docker, image, log, hardened, arguments, **environ) as container:
        yield container


def shell(docker: Docker, image: str, script: str) -> str:
    """Return the output of a script in the image."""
    options = ("--rm", "--network=none", "--user=0", "--entrypoint=sh")
    return docker("run", *options, image, "-c", script)


def test_jobs(docker: Docker, insights: str, feedback_database: str, tmp_path: Path) -> None:
    """The arguments of each CronJob work, and each report is written to the volume."""
    with closing(open_connection(feedback_database)) as connection:
        demo.insert(connection)
    reports = tmp_path / "reports"
    reports.mkdir()
    reports.chmod(0o777)  # Kubernetes gives the volume to the group of the job
    volume = (f"--volume={reports}:/reports",)
    log = tmp_path / "log"
    day = f"--from={demo.BROKEN_WEEK}"
    jobs = ([*arguments, *([day] if arguments[0] == "report" else [])] for arguments in ARGUMENTS)
    for arguments in (["apply", f"--timezone={demo.TIME_ZONE}"], *jobs):
        with job(
            docker, insights, log, arguments, volume, DATABASE_URL=feedback_database
        ) as container:
            assert container.process.wait(120) == 0, container.log
    assert log.read_text() == ""
    written = sorted(reports.iterdir())
    assert [file.name.partition("-")[0] for file in written] == ["month", "week"]
    for file in written:
        assert demo.BROKEN_TASK in file.read_text(encoding="utf-8")


def test_wrong_password(
    docker: Docker, insights: str, own_postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """The job fails, and its only line says why."""
    with closing(open_connection(own_postgres.url())) as connection:
        connection.run("CREATE ROLE owner LOGIN PASSWORD 'right'")
        own_postgres.require_password("owner")
        connection.run("SELECT pg_reload_conf()")
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "username").write_text("owner")
    (secret / "password").write_text("wrong")
    environ = {"PGHOST": "127.0.0.1", "PGPORT": str(own_postgres.port), "PGDATABASE": "postgres"}
    environ["PG_CREDENTIALS_DIR"] = "/secret"
    volume = (f"--volume={secret}:/secret:ro",)
    with job(docker, insights, tmp_path / "log", ["roll-up"], volume, **environ) as container:
        assert container.process.wait(60) == 1
        refused = 'SQLSTATE 28P01: password authentication failed for user "owner"'
        assert container.log == f"insights roll-up failed: {refused}\n"


def test_no_tls(docker: Docker, insights: str, feedback_database: str, tmp_path: Path) -> None:
    """A job that must use TLS fails where the server has none."""
    environ = {"DATABASE_URL": feedback_database, "PGSSLMODE": "require"}
    with job(docker, insights, tmp_path / "log", ["roll-up"], **environ) as container:
        assert container.process.wait(60) == 1
        assert "the server offers no TLS, but sslmode=require" in container.log


def test_stopping(docker: Docker, insights: str, feedback_database: str, tmp_path: Path) -> None:
    """SIGTERM ends a job that waits for PostgreSQL."""
    with closing(open_connection(feedback_database)) as connection:
        connection.run("BEGIN; LOCK TABLE feedback")
        environ = {"DATABASE_URL": feedback_database}
        with job(docker, insights, tmp_path / "log", ["apply"], **environ) as container:
            wait_until(lambda: connection.run(WAITING) != [[0]])
            docker("stop", "--time=30", container.name)
            assert container.process.wait(10) == 143  # SIGKILL, after 30 seconds, would be 137


def test_contents(docker: Docker, insights: str, base: str) -> None:
    """The image is small, and has no pip, no other package than those of its lock, and no cache."""
    size, below = (
        int(docker("image", "inspect", "--format={{.Size}}", name)) for name in (insights, base)
    )
    assert size - below < 250e6
    assert docker("image", "inspect", "--format={{.Config.User}}", insights) == "65532:65532"
    left = "command -v pip pip3 gcc make git; ls -Ad /src /root/.cache /tmp/* 2>&-; true"
    assert shell(docker, insights, left) == ""
    code = "import importlib.metadata as all; print(*(one.name for one in all.distributions()))"
    names = shell(docker, insights, f"python -c '{code}'").lower()
    found = {name.replace("_", "-").replace(".", "-") for name in names.split()}
    assert found == {"function", *pinned("reports.txt")}
