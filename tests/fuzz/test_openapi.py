"""schemathesis finds no problem with any operation of /openapi.json, on any host."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import apply_schema
from tests.fuzz.conftest import Amount
from tests.instance import HOSTS, Instance, running

# A key that is reused with another payload is refused. No schema can express that.
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 422]
"""

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(0)]


@pytest.fixture(params=HOSTS)
def instance(request: pytest.FixtureRequest, server_url: str, tmp_path: Path) -> Iterator[Instance]:
    apply_schema(server_url)
    with running(tmp_path / "log", server_url, request.param, DATABASE_TIMEOUT="20") as function:
        yield function.wait_until_ready()
        assert "Traceback" not in function.log


def test_every_operation(instance: Instance, amount: Amount, tmp_path: Path) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    program = Path(sys.executable).with_name("schemathesis")
    options = [
        *(f"--max-examples={max(20, amount.requests // 50)}", f"--seed={amount.seed}"),
        *("--checks=all", "--no-color", "--warnings=off", "--generation-database=none"),
    ]
    url = f"http://127.0.0.1:{instance.port}/openapi.json"

    result = subprocess.run(
        [program, "--config-file", config, "run", url, *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout + result.stderr
    assert "6 selected / 6 total" in result.stdout
    print(result.stdout[-400:])
