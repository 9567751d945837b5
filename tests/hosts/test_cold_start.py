"""A cold start does not import what only some requests need."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts.events import binary_headers
from tests.instance import FEEDBACK, ROOT, running
from tests.unit.test_settings import AUTH

SCRIPT = """
import sys, {imports}
from function.http.delivery import parse_delivery
parse_delivery({{"content-type": "application/json"}}, {body!r})
print("cloudevents" in sys.modules)
parse_delivery({headers!r}, {body!r})
print("cloudevents" in sys.modules)
"""

TELEMETRY = """
import sys
from function.http.asgi import create_application
from function.settings import load
from function.store import Store

settings = load({environ!r})
create_application(settings, Store(settings.postgres, 1))
known = ("opentelemetry", "prometheus_client", "pyroscope", "function.telemetry")
print([name for name in known if name in sys.modules])
"""


@pytest.mark.parametrize(
    ("environ", "imported"),
    [
        ({}, []),
        (
            {
                "METRICS": "on",
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
                "OTEL_LOGS_EXPORTER": "otlp",
                "PYROSCOPE_SERVER_ADDRESS": "http://pyroscope:4040",
            },
            ["function.telemetry"],
        ),
    ],
)
def test_telemetry(environ: dict[str, str], imported: list[str]) -> None:
    """The libraries are imported after the first answer, and ours only where it is used."""
    script = TELEMETRY.format(environ={"DATABASE_URL": "postgresql://u@h/d", **environ})
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{imported}\n"


@pytest.mark.parametrize(
    ("environment", "imports"),
    [(".venv", "function.serve, function.http.asgi"), (".venv-func", "function.http.asgi")],
)
def test_cloudevents_sdk(environment: str, imports: str) -> None:
    """The CloudEvents SDK is imported by the first event, not by a plain request."""
    body = json.dumps(FEEDBACK).encode()
    script = SCRIPT.format(imports=imports, headers=binary_headers(), body=body)
    done = subprocess.run(
        [ROOT / environment / "bin/python", "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["False", "True"]


def test_token_checks(tmp_path: Path) -> None:
    """PyJWT and cryptography cost tens of milliseconds, and load only if tokens are checked."""
    for environ, imported in (({}, False), (AUTH, True)):
        with running(tmp_path / "log", "postgresql://u@127.0.0.1:1/m", **environ) as function:
            function.wait_until_ready(probe="/health/startup")
            maps = Path(f"/proc/{function.process.pid}/maps").read_text()
            assert ("cryptography" in maps) is imported
