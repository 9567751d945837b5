"""The alert rules, as promtool reads them."""

import subprocess

import pytest

from dev.observe.programs import FILES, program
from tests.observe.panels import RULES, alerts

pytestmark = pytest.mark.observe


def promtool(*arguments: str) -> None:
    command = [program("promtool"), *arguments]
    done = subprocess.run(
        command, cwd=FILES / "alerts", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_configuration() -> None:
    """Prometheus accepts its configuration, with the rules that it names."""
    promtool("check", "config", "../prometheus.yml")


@pytest.mark.parametrize("name", [file.stem for file in RULES])
def test_rules(name: str) -> None:
    """promtool's tests of these rules pass, and each alert has one that expects it."""
    promtool("test", "rules", f"{name}.test.yml")
    tests = (FILES / f"alerts/{name}.test.yml").read_text(encoding="utf-8")
    names = [alert["alert"] for alert in alerts(FILES / f"alerts/{name}.yml")]
    assert [one for one in names if f"alertname: {one}\n" not in tests] == []
