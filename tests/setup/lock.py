"""The locks in requirements/, and made-up newer releases of their packages."""

import re
import zipfile
from pathlib import Path

from packaging.markers import Marker

from tests.instance import ROOT

LINE = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>\S+)(?: ; (?P<marker>.+?))? \\$", re.MULTILINE)
NEWER = "9999.0"


def pinned(lock: str) -> dict[str, str]:
    """Return the versions in the lock for this platform and Python, by name."""
    found = LINE.finditer((ROOT / "requirements" / lock).read_text(encoding="utf-8"))
    return {
        line["name"]: line["version"]
        for line in found
        if not line["marker"] or Marker(line["marker"]).evaluate()
    }


def make_newer_releases(lock: str, folder: Path) -> Path:
    """Write an empty wheel of a newer release of each package in the lock."""
    folder.mkdir()
    for name in pinned(lock):
        stem = f"{name.replace('-', '_')}-{NEWER}"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {NEWER}\nProvides-Extra: toml\n"
        tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{stem}.dist-info/METADATA", metadata)
            wheel.writestr(f"{stem}.dist-info/WHEEL", tags)
            wheel.writestr(f"{stem}.dist-info/RECORD", "")
    return folder
