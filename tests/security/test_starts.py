"""What the function and its jobs say about settings that are wrong, and servers that refuse."""

import base64
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from function.settings import ConfigurationError, load
from tests.instance import FEEDBACK, ROOT, running
from tests.llm.server import answers, in_turn, serving
from tests.security.canary import (
    FILE_PASSWORD,
    MESSAGE,
    MODEL_KEY,
    OTHER,
    SECRETS,
    TASK,
    URL_PASSWORD,
    WORDS,
    found,
)
from tests.security.conftest import Database
from tests.security.model import behaviors
from tests.security.test_outputs import given

URLS = [
    f"postgres://u:{URL_PASSWORD}?@h/d",
    f"postgresql:/u:{URL_PASSWORD}@h/d",
    f"postgresql://u:{URL_PASSWORD}@h:{URL_PASSWORD}/d",
    f"postgresql://u:%zz{URL_PASSWORD}@h/d",
    f"postgresql://u:a {URL_PASSWORD}@h/d",
    f"postgresql://u:{URL_PASSWORD}@@h/d",
    f"postgresql://u:x@h/d?{URL_PASSWORD}=1",
    f"postgresql://u:x@h/d?sslmode={URL_PASSWORD}",
    f"postgresql://u:x@h/d?password={URL_PASSWORD}&{URL_PASSWORD}",
    f"postgresql://u:x@{URL_PASSWORD}..h/d",
]
JOBS = ("function.migrate", "function.reanalyze", "function.llm.check")


def variables() -> list[str]:
    """Return all variables of the documents."""
    text = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\|([^|]+)\|", text, re.MULTILINE)
    return sorted({name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)})


@pytest.mark.parametrize(
    "value", [OTHER, f"https://u:{OTHER}@h/", f"{OTHER} \udcff\n", f"/{OTHER}"]
)
def test_wrong_values(value: str) -> None:
    """No text about a wrong variable quotes its value."""
    assert len(variables()) > 30
    valid = given("http://127.0.0.1:9", DATABASE_URL="postgresql://u@h/d")
    for name in variables():
        told = problems({**valid, name: value})
        assert found({name: told.encode()}, SECRETS) == []
    assert problems(dict.fromkeys(variables(), value))


@pytest.mark.parametrize("url", URLS)
def test_wrong_urls(url: str) -> None:
    assert found({"problems": problems({"DATABASE_URL": url}).encode()}, SECRETS) == []


def problems(environ: dict[str, str]) -> str:
    try:
        load(environ)
    except ConfigurationError as exc:
        return str(exc)
    return ""


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    """A folder with a wrong password."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "username").write_text("canary")
    (folder / "password").write_text(FILE_PASSWORD)
    return folder


@pytest.mark.parametrize(
    "trouble", ["password", "files", "no UTF-8", "no TLS", "no certificate", "unknown"]
)
def test_no_connection(database: Database, credentials: Path, tmp_path: Path, trouble: str) -> None:
    """Neither the log nor an answer tells a secret when PostgreSQL and the model refuse."""
    database.mark()
    if trouble == "no UTF-8":
        (credentials / "password").write_bytes(b"\xff" + FILE_PASSWORD.encode())
    more = {
        "password": {},
        "files": {"PG_CREDENTIALS_DIR": str(credentials)},
        "no UTF-8": {"PG_CREDENTIALS_DIR": str(credentials)},
        "no TLS": {"PGSSLMODE": "require"},
        "no certificate": {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(ROOT / "LICENSE")},
        "unknown": {"DATABASE_URL": f"postgresql://canary:{URL_PASSWORD}@nowhere.invalid/d"},
    }[trouble]
    url = database.url(f"{URL_PASSWORD}{'-wrong' if trouble == 'password' else ''}")
    with serving(answers()) as model:
        environ = given(model.url.replace("http:", "https:"), DATABASE_TIMEOUT="1") | more
        with running(tmp_path / "log", url, **environ) as function:
            function.wait_until_ready(probe="/health/liveness")
            answer = function.post({**FEEDBACK, "task_id": TASK, "message": MESSAGE})
            function.get("/health/ready")
            function.terminate()
    assert answer.status == 503
    assert "database unavailable" in function.log
    outputs = {"log": function.log.encode(), "answer": repr(answer).encode(), **database.outputs()}
    assert found(outputs, WORDS + SECRETS) == []


@pytest.mark.parametrize("job", JOBS)
def test_jobs_that_fail(database: Database, job: str) -> None:
    """A job with a wrong password, and a model that echoes everything, tells neither."""
    with serving(behaviors("http://127.0.0.1:9")[2]) as model:
        environ = given(model.url, MIGRATE_TIMEOUT="0.5")
        output = run(job, {**environ, "DATABASE_URL": database.url(f"{URL_PASSWORD}-wrong")})
    assert found({"output": output}, SECRETS) == []


def test_reanalysis(database: Database) -> None:
    """The job that asks again tells neither words nor the key."""
    database.run(
        "INSERT INTO feedback (student_id, task_id, message, perceived_difficulty,"
        f" strategy_snapshot) SELECT gen_random_uuid(), '{TASK} ' || n, '{MESSAGE} ' || n, 'ok',"
        """ '{"difficulty_weight": 1.0, "feedback_based": false, "sentiment": "neutral"}'"""
        " FROM generate_series(1, 60) AS n"
    )
    bad = behaviors("http://127.0.0.1:9")
    with serving(in_turn(*(one for each in bad for one in (each, answers())))) as model:
        environ = given(model.url, DATABASE_URL=database.server.url())
        output = run("function.reanalyze", environ, "--per-minute", "100000")
        assert len(model.requests) > 2 * len(bad)
    assert b"reanalysis ended" in output
    assert found({"output": output}, WORDS + SECRETS) == []


def run(module: str, environ: dict[str, str], *options: str) -> bytes:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    done = subprocess.run(
        [sys.executable, "-m", module, *options],
        cwd=ROOT,
        env={**clean, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=120,
    )
    return done.stdout


@pytest.mark.parametrize("skipped", range(3))
def test_search(skipped: int) -> None:
    """The search finds encoded secrets, wherever they begin."""
    text = b"x" * skipped + MODEL_KEY.encode() + b" and more"
    for output in (text, base64.b64encode(text), text.hex().encode(), text.upper()):
        assert found({"output": output}, [MODEL_KEY])
