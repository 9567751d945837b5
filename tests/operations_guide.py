"""The SQL and the commands of the guides, for the tests that run them."""

import re
from pathlib import Path

from tests.instance import ROOT

OPERATIONS = ROOT / "docs/operations.md"
SAFEGUARDING = ROOT / "docs/safeguarding.md"


def guides_sql(part: str, guide: Path = OPERATIONS) -> str:
    """The one block of SQL that has this in it."""
    return guides_block("sql", part, guide)


def guides_block(language: str, part: str, guide: Path = OPERATIONS) -> str:
    """The one block of the language that has this in it."""
    text = guide.read_text(encoding="utf-8")
    blocks = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    [found] = (block for block in blocks if part in block)
    return str(found)
