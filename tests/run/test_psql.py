"""`make psql` opens the database that is in use here."""

import subprocess
import sys
from pathlib import Path

from tests.run.clone import Run, environment


def psql(folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    query = "SELECT current_database(), count(*) FROM feedback"
    return subprocess.run(
        [sys.executable, "-m", "dev.psql", "-Atc", query],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_shows_the_rows_of_make_run_whatever_the_shell_says_of_other_servers(run: Run) -> None:
    assert run.post().status == 200
    done = psql(run.clone, PGHOST="elsewhere", PGSSLMODE="verify-full", PGUSER="somebody")
    assert (done.stdout, done.stderr) == ("mentor|1\n", "")


def test_without_make_run_it_says_what_to_do(clone: Path) -> None:
    done = psql(clone)
    assert done.returncode == 1
    assert "start `make run` in another terminal" in done.stderr


def test_it_opens_the_database_of_database_url(clone: Path, feedback_database: str) -> None:
    done = psql(clone, DATABASE_URL=feedback_database)
    assert done.stdout == f"{feedback_database.rpartition('/')[2]}|0\n"


def test_a_password_is_not_on_the_command_line(tmp_path: Path, clone: Path) -> None:
    (tmp_path / "psql").write_text('#!/bin/sh\necho "$@" && echo "$PGUSER $PGPASSWORD $PGSSLMODE"')
    (tmp_path / "psql").chmod(0o755)
    url = "postgresql://me:s%40crt@db.example/x?sslmode=require"
    done = psql(clone, DATABASE_URL=url, PATH=f"{tmp_path}:/usr/bin:/bin")
    arguments, variables = done.stdout.splitlines()
    assert "@" not in arguments
    assert variables == "me s@crt require"
