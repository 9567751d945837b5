"""What students wrote about the hardest tasks, for those who may read it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence

from function.store.driver import Connection
from insights.data import Report

TASKS = 3
MESSAGES = 5  # of each task
# Only messages in which a model looked for a danger and found none. The others are for the person
# who is in charge of safeguarding.
SELECT = f"""
SELECT task_id, message
FROM (SELECT task_id, message, row_number() OVER (PARTITION BY task_id ORDER BY id DESC) AS place
      FROM public.feedback
      WHERE task_id IN (SELECT jsonb_array_elements_text(CAST(:tasks AS jsonb)))
      AND created_at >= CAST(:start AS date)::timestamp AT TIME ZONE insights.time_zone()
      AND created_at < (CAST(:end AS date) + 1)::timestamp AT TIME ZONE insights.time_zone()
      AND perceived_difficulty = 'hard' AND concern = 'none') AS numbered
WHERE place <= {MESSAGES}
ORDER BY task_id, place
"""


def read(connection: Connection, report: Report) -> Mapping[str, Sequence[str]]:
    """Return messages by task; the connection needs SELECT on the table feedback."""
    tasks = [group.name for group in report.tasks[:TASKS]]
    period = report.period
    found: dict[str, list[str]] = defaultdict(list)
    parameters = {"tasks": json.dumps(tasks), "start": period.start, "end": period.end}
    for task, message in connection.run(SELECT, **parameters) or []:
        found[task].append(message)
    return found
