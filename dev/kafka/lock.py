"""Writes requirements/jars.txt anew from the POMs beside it; needs Maven (`make lock-jars`)."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx

from dev.kafka.download import TIMEOUT, Download, sha256
from dev.kafka.jars import LOCK, REPOSITORY, Group, alone
from dev.places import CLONE

POM = CLONE / "requirements/pom.xml"
CONTRACTS_POM = CLONE / "requirements/contracts-pom.xml"
CLIENTS_POM = CLONE / "requirements/clients-pom.xml"
# Its parent POM is not in Maven Central, so Maven itself can't fetch it.
SERVER = "io/debezium/debezium-server-dist/{0}/debezium-server-dist-{0}.tar.gz"
LIST = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:list"
HEAD = "# Files of Maven Central: sha256, path. Made from the POMs beside it by `make lock-jars`.\n"
# group:artifact:type[:classifier]:version:scope:/file[ -- module ...]
LINE = re.compile(r"^\s+(?:[^:\s]+:){5,6}(?P<file>/.+?)(?: -- module .*)?$", re.MULTILINE)


def main() -> None:
    """Resolve with Maven, into the very repository that the list's files are kept in."""
    files = sorted(_resolved(POM))
    plugins = [file for file in files if file.name.endswith("-plugin.tar.gz")]
    jars = [file for file in files if file not in plugins]
    text = _section("kafka", jars) + _section("connector", plugins)
    text += _section("server", [_server()])
    text += _section("contracts", sorted(_resolved(CONTRACTS_POM)))
    text += _section("clients", sorted(_resolved(CLIENTS_POM)))
    LOCK.write_text(HEAD + text, encoding="utf-8")


def _resolved(pom: Path) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as report:
        options = [
            f"-DoutputFile={report.name}",
            "-DoutputAbsoluteArtifactFilename=true",
            f"-Dmaven.repo.local={REPOSITORY}",
        ]
        subprocess.run(
            ["mvn", "--batch-mode", "--quiet", f"--file={pom}", LIST, *options], check=True
        )
        yield from (Path(match["file"]) for match in LINE.finditer(report.read()))


def _server() -> Path:
    """Debezium Server's archive. Its checksum is published nowhere: who fetches it trusts TLS."""
    version = ET.parse(POM).findtext(".//{*}debezium.version", "")  # noqa: S314 - our own file
    path = SERVER.format(version)
    target = REPOSITORY / path
    with alone(), httpx.Client(timeout=TIMEOUT, follow_redirects=True) as client:
        if not target.exists():
            Download(path, None, target).run(client)
    return target


def _section(group: Group, files: list[Path]) -> str:
    lines = [f"{sha256(file)}  {file.relative_to(REPOSITORY)}" for file in files]
    return "\n".join(["", f"[{group}]", *lines, ""])


if __name__ == "__main__":
    main()
