"""`make audit`: ask OSV (https://osv.dev) about known vulnerabilities of every locked version.

pip-audit calls a lock clean when it could ask about nothing: its other service, PyPI, skips each
package that a mirror has no JSON for, and a line whose marker is false here is left out. So this
passes versions without markers, and checks that each of them was asked about, by a service that
knows a vulnerability from 2018. Exits with 0, with 1 for a vulnerability, or with 2 if the audit
tells nothing.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from dev.paths import CLONE

LOCKS = CLONE / "requirements"
PIN = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
VULNERABLE = ("flask", "0.5")  # https://osv.dev/vulnerability/PYSEC-2018-66
OPTIONS = (
    *("--vulnerability-service=osv", "--strict", "--no-deps", "--disable-pip"),
    *("--format=json", "--desc=off", "--progress-spinner=off"),
)

Pin = tuple[str, str]


def main(options: list[str], folder: Path = LOCKS) -> int:
    """Print what was found, and return the exit code."""
    pins = read_pins(folder)
    found = ask({*pins, VULNERABLE}, options)
    missing = sorted(pin for pin in pins if pin not in found)
    if missing or not pins:
        print(f"No audit: {len(missing)} of {len(pins)} versions were not looked up.")
        return 2
    if not found.pop(VULNERABLE, []):
        print(f"No audit: the service does not know that {_name(VULNERABLE)} is vulnerable.")
        return 2
    bad = {pin: ids for pin, ids in found.items() if ids}
    for pin, ids in sorted(bad.items()):
        print(f"{_name(pin)} in {', '.join(sorted(pins[pin]))}: {', '.join(ids)}")
    print(f"{len(bad)} of {len(pins)} locked versions have known vulnerabilities.")
    return 1 if bad else 0


def read_pins(folder: Path) -> dict[Pin, set[str]]:
    """Every name and version of the locks, and the locks that have it."""
    pins: dict[Pin, set[str]] = {}
    for lock in folder.glob("*.txt"):
        for name, version in PIN.findall(lock.read_text(encoding="utf-8")):
            pins.setdefault((name, version), set()).add(lock.name)
    return pins


def ask(pins: Iterable[Pin], options: list[str]) -> dict[Pin, list[str]]:
    """What is known about each version that could be looked up."""
    found: dict[Pin, list[str]] = {}
    waiting = set(pins)
    while waiting:  # pip-audit refuses two versions of one name
        batch = {name: (name, version) for name, version in sorted(waiting)}
        found |= _run(batch.values(), options)
        waiting -= {*batch.values()}
    return found


def _run(pins: Iterable[Pin], options: list[str]) -> dict[Pin, list[str]]:
    """Run pip-audit, which writes nothing if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        file, output = Path(folder, "lock"), Path(folder, "output")
        file.write_text("".join(f"{name}=={version}\n" for name, version in pins))
        files = (f"--requirement={file}", f"--output={output}")
        program = Path(sys.executable).with_name("pip-audit")
        subprocess.run([str(program), *OPTIONS, *options, *files], check=False)
        dependencies = json.loads(output.read_text())["dependencies"] if output.exists() else []
    return {
        (one["name"], one["version"]): [advisory["id"] for advisory in one["vulns"]]
        for one in dependencies
    }


def _name(pin: Pin) -> str:
    return " ".join(pin)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
