"""PostgreSQL's slot and Debezium's offsets, which together say where the last start stopped.

With only one of them, or with a slot that PostgreSQL has given up, Debezium would fail or skip
rows. Then both are removed, and Debezium begins with all existing rows.
"""

from contextlib import closing
from pathlib import Path

from dev.events.java import is_serialized_map
from dev.events.places import NotReady, say
from function.postgres_settings import PostgresSettings
from function.store.connection import connect
from function.store.driver import CONNECTION_ERRORS, Connection, DatabaseError
from function.store.faults import describe

STATE = """
SELECT coalesce(wal_status, '') = 'lost', active, current_setting('max_slot_wal_keep_size')
FROM pg_replication_slots WHERE slot_name = :slot
"""
FROM_THE_FIRST = "Showing all feedback from the first."

GIVEN_UP = f"""PostgreSQL has given up the slot {{slot}}, because it wrote more than
max_slot_wal_keep_size ({{limit}}) since the last `make events`. {FROM_THE_FIRST}"""
GONE = f"The slot {{slot}} is gone from PostgreSQL. {FROM_THE_FIRST}"
UNKNOWN = f"The last position is unknown. {FROM_THE_FIRST}"
IN_USE = "Waiting for the slot {slot}: another process uses it, or has just been killed ..."


def settle(postgres: PostgresSettings, slot: str, offsets: Path) -> None:
    """Keep slot and offsets if they fit together; otherwise remove both, and tell the user.

    Raises NotReady while another process uses the slot, and when PostgreSQL goes away.
    """
    try:
        with closing(connect(postgres, statement_timeout=10)) as connection:
            _settle(connection, slot, offsets)
    except (DatabaseError, *CONNECTION_ERRORS) as exc:
        raise NotReady(f"Waiting for PostgreSQL ({describe(exc)}) ...") from exc


def _settle(connection: Connection, slot: str, offsets: Path) -> None:
    found = connection.run(STATE, slot=slot)
    lost, active, limit = found[0] if found else (False, False, None)
    if active:
        raise NotReady(IN_USE.format(slot=slot))
    reason = _mismatch(offsets, found=bool(found), lost=lost)
    if reason is None:
        return
    say(reason.format(slot=slot, limit=limit))
    offsets.unlink(missing_ok=True)
    if found:
        connection.run("SELECT pg_drop_replication_slot(:slot)", slot=slot)


def _mismatch(offsets: Path, *, found: bool, lost: bool) -> str | None:
    if lost:
        return GIVEN_UP
    if found:
        return None if is_serialized_map(offsets) else UNKNOWN
    return GONE if offsets.exists() else None
