"""`make audit` with a service of made-up advisories: it reports each, or says that it did not."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.audit import LOCKS, VULNERABLE, Pin, read_pins
from dev.http_server import Request, serving
from tests.instance import ROOT

pytestmark = pytest.mark.audit

MAIN = """
import sys
from pathlib import Path
from dev.audit import main
sys.exit(main([f"--osv-url={sys.argv[2]}"], Path(sys.argv[1])))
"""
HASH = "--hash=sha256:00"


class Service:
    """OSV's `query`: https://google.github.io/osv.dev/post-v1-query."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/v1/query"
        self.status = 200
        self.advisories: dict[Pin, str] = {VULNERABLE: "PYSEC-2018-66"}
        self.asked: list[Pin] = []

    def answer(self, query: dict[str, object]) -> dict[str, object]:
        package = query["package"]
        assert isinstance(package, dict)
        assert package["ecosystem"] == "PyPI"
        pin = (str(package["name"]), str(query["version"]))
        self.asked.append(pin)
        known = self.advisories.get(pin)
        return {"vulns": [{"id": known, "affected": []}]} if known else {}


@pytest.fixture
def service() -> Iterator[Service]:
    def respond(request: Request) -> None:
        answer = json.dumps(found.answer(json.loads(request.body())))
        request.answer(found.status, answer.encode())

    with serving(respond) as port:
        found = Service(port)
        yield found


def audit(folder: Path, url: str) -> tuple[int, str]:
    """Run it as `make audit` does; return its exit code and what it says."""
    command = [str(ROOT / ".venv-audit/bin/python"), "-c", MAIN, str(folder), url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def write(folder: Path, **locks: str) -> Path:
    for name, line in locks.items():
        (folder / f"{name}.txt").write_text(f"# a comment\n{line} \\\n    {HASH}\n    # via x\n")
    return folder


def test_vulnerable(service: Service, tmp_path: Path) -> None:
    """A vulnerable version is reported with its locks, also where its marker is false here."""
    write(
        tmp_path,
        server="jinja2==2.4.1",
        events="jinja2==3.1.6",
        other='old==1.0 ; sys_platform == "win32"',
    )
    service.advisories |= {("jinja2", "2.4.1"): "PYSEC-1", ("old", "1.0"): "PYSEC-2"}

    code, told = audit(tmp_path, service.url)

    assert code == 1
    assert told.splitlines() == [
        "jinja2 2.4.1 in server.txt: PYSEC-1",
        "old 1.0 in other.txt: PYSEC-2",
        "2 of 3 locked versions have known vulnerabilities.",
    ]


def test_all_locks(service: Service) -> None:
    """Every version of every lock is asked about; without a finding the audit passes."""
    code, told = audit(LOCKS, service.url)

    pins = read_pins(LOCKS)
    assert (code, told.split(" ")[0]) == (0, "0")
    assert sorted(service.asked) == sorted({*pins, VULNERABLE})
    assert {"server.txt", "func.txt", "dev.txt"} < {
        lock for locks in pins.values() for lock in locks
    }


def test_ignorant_service(service: Service, tmp_path: Path) -> None:
    """A service that knows no vulnerability proves nothing."""
    service.advisories = {}
    code, told = audit(write(tmp_path, server="jinja2==3.1.6"), service.url)
    assert (code, told) == (
        2,
        "No audit: the service does not know that flask 0.5 is vulnerable.\n",
    )


@pytest.mark.parametrize("status", [404, 500])
def test_broken_service(service: Service, tmp_path: Path, status: int) -> None:
    service.status = status
    code, told = audit(write(tmp_path, server="jinja2==3.1.6"), service.url)
    assert (code, told) == (2, "No audit: 1 of 1 versions were not looked up.\n")


def test_nothing_to_audit(service: Service, tmp_path: Path) -> None:
    code, told = audit(tmp_path, service.url)
    assert (code, told) == (2, "No audit: 0 of 0 versions were not looked up.\n")
