"""The store imports pg8000 without dateutil and importlib.metadata, and harms neither."""

import subprocess
import sys

PROGRAM = """
import sys
import function.store.driver
assert not {"dateutil", "dateutil.parser", "importlib.metadata"} & sys.modules.keys()
from importlib.metadata import version
from pg8000.converters import parse
assert version("pg8000") != "unknown"
assert parse("January 2, 2026").isoformat() == "2026-01-02T00:00:00"
"""


def test_both_can_be_imported_after_the_store() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
