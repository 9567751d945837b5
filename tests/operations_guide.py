"""The SQL of the guides, for the tests that run it."""

import re
from pathlib import Path

from tests.instance import ROOT

OPERATIONS = ROOT / "docs/operations.md"
SAFEGUARDING = ROOT / "docs/safeguarding.md"


def guides_sql(part: str, guide: Path = OPERATIONS) -> str:
    """The one block that has this in it."""
    blocks = re.findall(r"```sql\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    [sql] = (block for block in blocks if part in block)
    return str(sql)
