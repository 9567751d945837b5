"""A cold start does not import what only some requests need."""

import subprocess
from pathlib import Path

import pytest

from tests.instance import ROOT, running
from tests.unit.test_settings import AUTH

SCRIPT = """
import sys, {imports}
from function.http.delivery import parse_delivery
parse_delivery({{"content-type": "application/json"}}, {body!r})
print("cloudevents" in sys.modules)
parse_delivery({headers!r}, {body!r})
print("cloudevents" in sys.modules)
"""
BODY = (
    b'{"student_id": "550e8400-e29b-41d4-a716-446655440000", "task_id": "task-123",'
    b' "message": "This is too hard"}'
)
HEADERS = {
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": "/app",
    "ce-type": "mentor.feedback.submitted",
}


@pytest.mark.parametrize(
    ("environment", "imports"),
    [(".venv", "function.serve, function.http.asgi"), (".venv-func", "function.http.asgi")],
)
def test_the_sdk_is_imported_when_the_first_event_comes(environment: str, imports: str) -> None:
    script = SCRIPT.format(imports=imports, headers=HEADERS, body=BODY)
    done = subprocess.run(
        [ROOT / environment / "bin/python", "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["False", "True"]


def test_what_checks_tokens_is_imported_where_it_is_configured(tmp_path: Path) -> None:
    """PyJWT and cryptography cost tens of milliseconds."""
    for environ, imported in (({}, False), (AUTH, True)):
        with running(tmp_path / "log", "postgresql://u@127.0.0.1:1/m", **environ) as function:
            function.wait_until_ready(probe="/health/startup")
            maps = Path(f"/proc/{function.process.pid}/maps").read_text()
            assert ("cryptography" in maps) is imported
