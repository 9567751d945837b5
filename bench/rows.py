"""Rows that go into the table directly: what is measured begins with their commit."""

from contextlib import closing

from pg8000.native import literal

from bench import payload
from bench.database import Database

COLUMNS = ", ".join(["student_id", "traceparent", *payload.ROW])
VALUES = ", ".join(map(literal, [payload.TRACEPARENT, *payload.ROW.values()]))
INSERT = f"INSERT INTO feedback ({COLUMNS}) VALUES (lpad({{student}}, 32, '0')::uuid, {VALUES})"

# For one prepared statement a row.
PREPARED = f"{INSERT.replace('{student}', ':student')} RETURNING id::text"
# As many transactions as rows, which is the most work for who reads the log.
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
    """Insert so many rows at once, each in a transaction of its own."""
    with closing(database.connect()) as connection:
        connection.run("SET synchronous_commit = off")  # only here: nobody waits for these rows
        connection.run(MANY.replace("{count}", str(count)))
