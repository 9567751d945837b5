"""Rows inserted without the function: measurements of events begin with their commit."""

from contextlib import closing

from pg8000.native import literal

from bench import payload
from bench.database import Database

COLUMNS = ", ".join(["student_id", "traceparent", *payload.ROW])
VALUES = ", ".join(map(literal, [payload.TRACEPARENT, *payload.ROW.values()]))
INSERT = f"INSERT INTO feedback ({COLUMNS}) VALUES (lpad({{student}}, 32, '0')::uuid, {VALUES})"

# For one prepared statement per row.
PREPARED = f"{INSERT.replace('{student}', ':student')} RETURNING id::text"
# One transaction per row, which is the most work for a reader of the log.
MANY = f"""
DO $rows$
BEGIN
    FOR number IN 1..{{count}} LOOP
        {INSERT.replace("{student}", f"(number % {payload.STUDENTS} + 1)::text")};
        COMMIT;
    END LOOP;
END
$rows$
"""


def insert(database: Database, count: int) -> None:
    """Insert `count` rows at once, each in its own transaction."""
    with closing(database.connect()) as connection:
        connection.run("SET synchronous_commit = off")  # no client waits for these rows
        connection.run(MANY.replace("{count}", str(count)))
