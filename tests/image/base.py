"""A substitute for python:slim, made from Debian's packages, so that no image registry is needed.

It has what the Dockerfile relies on: Debian trixie, Python 3.13 as `python` on the PATH, venv, its
own pip, and no bytecode, not even of the standard library.
"""

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from dev.paths import cache_folder
from tests.image.docker import Docker, require

IMAGE = "mentor-test-base"
BOOTSTRAP = [
    "debootstrap",
    "--variant=minbase",
    "--include=ca-certificates,python3,python3-venv",
    "trixie",
]
# Runs in the new root. Debian's slim images lack the same folders.
RECIPE = r"""
set -eu
ln -s python3 /usr/bin/python
rm /usr/lib/python3.13/EXTERNALLY-MANAGED
pip=$(echo /usr/share/python-wheels/pip-*.whl)
python "$pip/pip" install --quiet --no-index --root-user-action ignore "$pip"
cd /usr/share
rm -rf doc info locale man /var/cache/apt/* /var/lib/apt/lists/*
find /usr -name '*.pyc' -delete
"""
# This machine's trusted certificates, and its configuration of pip.
OF_THIS_MACHINE = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf")


def find_base(docker: Docker) -> str:
    """Pull the image that BASE names, or make the substitute. Raises DockerError."""
    if base := os.environ.get("BASE"):
        docker("pull", base)
        return base
    require("debootstrap", root=True)
    return _stand_in(docker)


def _stand_in(docker: Docker) -> str:
    """Make the image, and return its name; the archive that takes a minute is kept."""
    docker("import", "--change", 'CMD ["python3"]', _root(), f"{IMAGE}:plain")
    with tempfile.TemporaryDirectory() as folder:
        dockerfile = [f"FROM {IMAGE}:plain"]
        for file in filter(os.path.exists, OF_THIS_MACHINE):
            name = Path(file).name
            Path(folder, name).write_bytes(Path(file).read_bytes())
            dockerfile.append(f"COPY {name} {file}")
        Path(folder, "Dockerfile").write_text("\n".join(dockerfile), encoding="utf-8")
        docker("build", "--tag", IMAGE, folder)
    return IMAGE


def _root() -> Path:
    """Return the archive of the root file system, whose name depends on the recipe."""
    recipe = hashlib.sha256(" ".join([*BOOTSTRAP, RECIPE]).encode()).hexdigest()[:8]
    archive = cache_folder() / f"python-slim-{recipe}.tar"
    if not archive.exists():
        with tempfile.TemporaryDirectory(dir=archive.parent, prefix="python-slim-") as folder:
            root, unfinished = Path(folder, "root"), Path(folder, archive.name)
            _run(*BOOTSTRAP, root)
            _run("chroot", root, "sh", "-c", RECIPE)
            _run("tar", "--exclude=./dev", "-C", root, "-cf", unfinished, ".")
            unfinished.rename(archive)
    return archive


def _run(*command: str | Path) -> None:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
