"""Writes requirements/*-jars.txt from the POMs beside them; needs Maven (`make lock-jars`)."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pooch

from dev.kafka.jars import CENTRAL, REPOSITORY, lock_file
from dev.paths import CLONE

POMS = {
    "kafka": CLONE / "requirements/pom.xml",
    "contracts": CLONE / "requirements/contracts-pom.xml",
    "clients": CLONE / "requirements/clients-pom.xml",
}
# Maven can't fetch it, because its parent POM is not in Maven Central.
SERVER = "io/debezium/debezium-server-dist/{0}/debezium-server-dist-{0}.tar.gz"
LIST = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:list"
HEAD = "# Files of Maven Central and their SHA-256, made from the POM by `make lock-jars`.\n"
# group:artifact:type[:classifier]:version:scope:/file[ -- module ...]
LINE = re.compile(r"^\s+(?:[^:\s]+:){5,6}(?P<file>/.+?)(?: -- module .*)?$", re.MULTILINE)


def main() -> None:
    """Resolve with Maven, into the repository that jars.fetch() uses."""
    for group, pom in POMS.items():
        files = sorted(_resolved(pom))
        if group == "kafka":
            files.append(_server())
        lines = [f"{file.relative_to(REPOSITORY)} {pooch.file_hash(str(file))}" for file in files]
        lock_file(group).write_text("\n".join([HEAD, *lines, ""]), encoding="utf-8")


def _resolved(pom: Path) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as report:
        options = [
            f"-DoutputFile={report.name}",
            "-DoutputAbsoluteArtifactFilename=true",
            f"-Dmaven.repo.local={REPOSITORY}",
        ]
        command = ["mvn", "--batch-mode", "--quiet", f"--file={pom}", LIST, *options]
        subprocess.run(command, check=True)
        yield from (Path(match["file"]) for match in LINE.finditer(report.read()))


def _server() -> Path:
    """Debezium Server's archive. Its checksum is not published: TLS is the protection here."""
    version = ET.parse(POMS["kafka"]).findtext(".//{*}debezium.version", "")  # noqa: S314 - ours
    path = SERVER.format(version)
    files = pooch.create(REPOSITORY, f"{CENTRAL}/", registry={path: None})
    return Path(files.fetch(path))


if __name__ == "__main__":
    main()
