"""The slot in PostgreSQL and Debezium's offsets: where the last start stopped, told by both.

They go together. With one alone, or with a slot that PostgreSQL has given up, Debezium would fail
or leave rows out; then both are removed, and Debezium begins with all rows that there are.
"""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from dev.events.place import NotReady, say
from function.postgres_settings import PostgresSettings
from function.store.connection import connect
from function.store.driver import CONNECTION_ERRORS, Connection, DatabaseError
from function.store.faults import describe

STATE = """
SELECT coalesce(wal_status, '') = 'lost', active, current_setting('max_slot_wal_keep_size')
FROM pg_replication_slots WHERE slot_name = :slot
"""
FROM_THE_FIRST = "Showing all feedback from the first."

GIVEN_UP = f"""PostgreSQL has given up the slot {{slot}}: nobody followed while it wrote more than
max_slot_wal_keep_size ({{limit}}). {FROM_THE_FIRST}"""
GONE = f"The slot {{slot}} is gone from PostgreSQL. {FROM_THE_FIRST}"
UNKNOWN = f"It isn't known what was shown before. {FROM_THE_FIRST}"
IN_USE = "Waiting for the slot {slot}: another process uses it, or has just been killed ..."


def settle(
    postgres: PostgresSettings, slot: str, offsets: Path, is_whole: Callable[[Path], bool]
) -> None:
    """Keep slot and offsets if they fit together, and remove both otherwise, saying so.

    Raises NotReady while another process uses the slot, and when PostgreSQL goes away.
    """
    try:
        with closing(connect(postgres, statement_timeout=10)) as connection:
            _settle(connection, slot, offsets, is_whole)
    except (DatabaseError, *CONNECTION_ERRORS) as exc:
        raise NotReady(f"Waiting for PostgreSQL ({describe(exc)}) ...") from exc


def _settle(
    connection: Connection, slot: str, offsets: Path, is_whole: Callable[[Path], bool]
) -> None:
    found = connection.run(STATE, slot=slot)
    lost, active, limit = found[0] if found else (False, False, None)
    if active:
        raise NotReady(IN_USE.format(slot=slot))
    reason = _why_anew(bool(found), lost, offsets, is_whole)
    if reason is None:
        return
    say(reason.format(slot=slot, limit=limit))
    offsets.unlink(missing_ok=True)
    if found:
        connection.run("SELECT pg_drop_replication_slot(:slot)", slot=slot)


def _why_anew(
    found: bool, lost: bool, offsets: Path, is_whole: Callable[[Path], bool]
) -> str | None:
    if lost:
        return GIVEN_UP
    if found:
        return None if is_whole(offsets) else UNKNOWN
    return GONE if offsets.exists() else None
