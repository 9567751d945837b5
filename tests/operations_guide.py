"""The SQL of docs/operations.md, for the tests that run it."""

import re

from tests.instance import ROOT

GUIDE = (ROOT / "docs/operations.md").read_text(encoding="utf-8")


def guides_sql(part: str) -> str:
    """The one block that has this in it."""
    blocks = re.findall(r"```sql\n(.*?)```", GUIDE, re.DOTALL)
    [sql] = (block for block in blocks if part in block)
    return str(sql)
