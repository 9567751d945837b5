"""What the store's statements return, and what ends one."""

import asyncio
import json
import re
from collections.abc import Coroutine
from typing import Any

from function.store.table import COLUMNS, INSERT, SELECT
from tests.simulation import messages
from tests.simulation.database import SqlError

TYPES = {"double precision": messages.FLOAT, "jsonb": messages.JSONB}
RESULTS = {  # the types of each statement's columns
    INSERT: [messages.TEXT],
    SELECT: [*(TYPES.get(kind, messages.TEXT) for kind in COLUMNS.values()), messages.TEXT],
}
MOST_NAMES = 5  # in a line of the trace
SET_LIMIT = re.compile(r"set_config\('statement_timeout', '(\d+)', (true|false)\)")


class Work:
    """What a time limit and a CancelRequest can end."""

    def __init__(self) -> None:
        self._task: asyncio.Task[Any] | None = None
        self._canceled = False

    async def run(self, work: Coroutine[Any, Any, Any], limit: float | None) -> Any:
        self._task = asyncio.create_task(work)
        try:
            async with asyncio.timeout(limit):
                return await self._task
        except TimeoutError:
            raise SqlError("57014", "ERROR") from None
        except asyncio.CancelledError:
            if not self._canceled:
                raise
            self._canceled = False
            raise SqlError("57014", "ERROR") from None

    def cancel(self) -> bool:
        """Cancel it; return whether there was anything to cancel."""
        if not self._task or self._task.done():
            return False
        self._canceled = True
        return self._task.cancel()


def describe(parameter: str) -> str:
    """Name the first rows of a parameter."""
    rows = json.loads(parameter)
    names = [row["message"] if isinstance(row, dict) else row for row in rows[:MOST_NAMES]]
    rest = [f"{len(rows) - MOST_NAMES} more"] if len(rows) > MOST_NAMES else []
    return ", ".join([*names, *rest])
