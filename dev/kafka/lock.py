"""Writes requirements/*-jars.txt from the POMs beside them, with Maven (`make lock-jars`)."""

import subprocess
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

import pooch

from dev.kafka.jars import CENTRAL, lock_file
from dev.paths import CLONE

POMS = {
    "kafka": "pom.xml",
    "contracts": "contracts-pom.xml",
    "clients": "clients-pom.xml",
    "consumers": "consumers-pom.xml",
    "flink": "flink-pom.xml",
}
# Its parent POM is not in Maven Central, so Maven can't fetch it.
SERVER = "io/debezium/debezium-server-dist/{0}/debezium-server-dist-{0}.tar.gz"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
HEAD = "# Files of Maven Central and their SHA-256, made from the POM by `make lock-jars`.\n"


def main() -> None:
    """Copy each POM's dependencies into the layout of a repository, and list them."""
    for group, name in POMS.items():
        with tempfile.TemporaryDirectory() as folder:
            pom = CLONE / "requirements" / name
            options = [f"-DoutputDirectory={folder}", "-Dmdep.useRepositoryLayout=true"]
            command = ["mvn", "--batch-mode", "--quiet", f"--file={pom}", COPY, *options]
            subprocess.run(command, check=True)
            if group == "kafka":
                _download_server(pom, folder)
            lock_file(group).write_text(_registry(Path(folder)), encoding="utf-8")


def _download_server(pom: Path, folder: str) -> None:
    """Debezium Server's checksum is not published: TLS is the protection here."""
    version = ET.parse(pom).findtext(".//{*}debezium.version", "")  # noqa: S314 - our own file
    path = SERVER.format(version)
    pooch.create(folder, f"{CENTRAL}/", registry={path: None}).fetch(path)


def _registry(folder: Path) -> str:
    files = sorted(file for file in folder.rglob("*") if file.name.endswith((".jar", ".tar.gz")))
    lines = [f"{file.relative_to(folder)} {pooch.file_hash(str(file))}" for file in files]
    return "\n".join([HEAD, *lines, ""])


if __name__ == "__main__":
    main()
