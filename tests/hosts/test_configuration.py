"""An invalid configuration stops every host at once, and all its errors are reported together."""

from pathlib import Path

import pytest

from tests.instance import running
from tests.unit.test_settings import documented_defaults

SECRET = "my-secret-password"
GOOD = "postgresql://postgres@127.0.0.1:1/postgres"


def start(host: str, tmp_path: Path, database_url: str, **environ: str) -> tuple[int, str]:
    """Run the host until it exits by itself; return the exit code and the output."""
    with running(tmp_path / "log", database_url, host, **environ) as function:
        return function.process.wait(60), function.log


def test_all_errors(host: str, tmp_path: Path) -> None:
    """All wrong variables are reported in one message, without their values."""
    wrong = {
        "DATABASE_TIMEOUT": SECRET,
        "MIGRATE_TIMEOUT": "0",
        "LOG_LEVEL": SECRET,
        "DOCS": SECRET,
        "LLM_PROVIDER": "openai",
        "LLM_BASE_URL": f"https://user:{SECRET}@localhost/v1",
        "LLM_MODEL": f"{SECRET} {SECRET}",
        "LLM_API_KEY": f"{SECRET} {SECRET}",
        "LLM_TIMEOUT": SECRET,
        "AUTH_JWKS_URL": f"https://user:{SECRET}@issuer.example/keys",
        "CORS_ORIGINS": f"https://app.example/{SECRET}",
        "RATE_LIMIT": SECRET,
        "PGSSLMODE": SECRET,
        "PGCONNECT_TIMEOUT": "-1",
        "PG_CREDENTIALS_DIR": f"/nowhere/{SECRET}",
        "PGPASSWORD": SECRET,
    }
    url = f"mysql://mentor:{SECRET}@localhost/mentor"

    code, output = start(host, tmp_path, url, **wrong)

    assert code == 2
    assert output.count("The configuration is not valid:") == 1
    for name in ("DATABASE_URL", *wrong.keys() - {"PGPASSWORD", "LLM_PROVIDER"}):
        assert output.count(f"\n{name}: ") == 1
    assert SECRET not in output
    assert "Traceback" not in output


def test_documented_defaults(host: str, tmp_path: Path, feedback_database: str) -> None:
    """Every host accepts the documented defaults, but for PORT, which each test sets."""
    defaults = {
        name: value
        for name, value in documented_defaults()
        if name != "PORT" and not name.startswith("LLM_BASE")
    }
    with running(tmp_path / "log", feedback_database, host, **defaults) as function:
        function.wait_until_ready()
        assert function.post().status == 200


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://mentor:{SECRET}@localhost:port/mentor",
        f"postgresql://mentor:{SECRET}@localhost/mentor?tls=on",
        f"postgresql://mentor:{SECRET}@[/mentor",
        SECRET,
    ],
)
def test_wrong_url(tmp_path: Path, url: str) -> None:
    """An invalid DATABASE_URL is reported without its password."""
    code, output = start("uvicorn", tmp_path, url)

    assert code == 2
    assert "\nDATABASE_URL: " in output
    assert SECRET not in output


def test_port(tmp_path: Path) -> None:
    """The container's host checks PORT; the other hosts do not read it."""
    for port in ("http", "0", "65536", "8080.0", "٨٠٨٠"):
        code, output = start("uvicorn", tmp_path, GOOD, PORT=port)
        assert code == 2
        assert "\nPORT: must be a whole number from 1 to 65535" in output


def test_unused_variables(host: str, hosts_database: str, tmp_path: Path) -> None:
    """Variables for a model cause a warning if LLM_PROVIDER is not set."""
    variables = {"LLM_MODEL": "m", "LLM_API_KEY": SECRET}
    with running(tmp_path / "log", hosts_database, host, **variables) as function:
        function.wait_until_ready()

    warnings = [event for event in function.events() if event["level"] == "WARNING"]
    [warning] = [event for event in warnings if event["event"] == "variables without effect"]
    assert warning["variables"] == "LLM_API_KEY, LLM_MODEL"
    assert SECRET not in function.log
