"""The job on mangled databases: it upgrades them, or refuses and leaves them as they were."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from pg8000.exceptions import DatabaseError

from dev.postgres import EmbeddedPostgres
from function.store.table import INSERT
from tests.fuzz.conftest import Amount
from tests.fuzz.mangles import MANGLES
from tests.migrate.job import ORIGINAL, ORIGINAL_INSERT, Run, address, migrate, run, session

ENCODINGS = ["UTF8"] * 12 + ["LATIN1", "SQL_ASCII"]
BASES = ["", ORIGINAL, ORIGINAL.replace("TIMESTAMP", "TIMESTAMPTZ"), "migrated", "migrated"]
ROLES = ["postgres", "postgres", "postgres", "mangler", "plain"]
ROW = {
    "student_id": str(uuid4()),
    "task_id": "task-123",
    "message": "too hard",
    "perceived_difficulty": "ok",
    "difficulty_adjustment": 0,
    "topic_weights": {"general": 1},
    "sentiment": "neutral",
    "strategy_snapshot": {},
    "concern": "none",
    "traceparent": "00",
}
QUIET = """
SET SESSION AUTHORIZATION postgres; SET ROLE postgres; SET search_path = pg_catalog;
SET statement_timeout = '20s'; SET lock_timeout = '20s'; SET idle_in_transaction_session_timeout = 0
"""
TABLES = """
SELECT format('%I.%I', nspname, relname)
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'p') AND nspname !~ '^(pg_|information_schema)'
"""
CATALOG = """
SELECT format('%s %s %s %s', oid::regclass, relkind, relowner::regrole, relacl)
FROM pg_class WHERE relnamespace NOT IN (
    SELECT oid FROM pg_namespace WHERE nspname ~ '^(pg_|information_schema)')
UNION ALL SELECT format('%s.%s %s %s %s', attrelid::regclass, attname, attnotnull,
    format_type(atttypid, atttypmod), pg_get_expr(adbin, adrelid))
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attnum > 0 AND relnamespace NOT IN (
    SELECT oid FROM pg_namespace WHERE nspname ~ '^(pg_|information_schema)')
UNION ALL SELECT format('%s %s', pg_get_indexdef(indexrelid), indisvalid) FROM pg_index
WHERE indrelid > 16384
UNION ALL SELECT format('%s %s %s', oid::regtype, typowner::regrole, typacl) FROM pg_type
WHERE oid > 16384
UNION ALL SELECT format('%s %s', enumtypid::regtype, enumlabel) FROM pg_enum
UNION ALL SELECT format('%s %s', pg_publication, obj_description(oid)) FROM pg_publication
UNION ALL SELECT format('%s %s', prpubid, prrelid::regclass) FROM pg_publication_rel
UNION ALL SELECT format('%s', pg_namespace) FROM pg_namespace WHERE nspname !~ '^pg_'
ORDER BY 1
"""

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(0)]


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A server of its own: roles belong to the server."""
    with EmbeddedPostgres.temporary() as one:
        run(one.url(), "CREATE ROLE mangler LOGIN CREATEROLE; CREATE ROLE plain LOGIN")
        yield one


@contextmanager
def database(server: EmbeddedPostgres, encoding: str) -> Iterator[str]:
    name = f"mangled_{uuid4().hex[:8]}"
    options = f"ENCODING '{encoding}' LOCALE_PROVIDER libc LOCALE 'C'"
    run(server.url(), f"CREATE DATABASE {name} TEMPLATE template0 {options}")
    run(server.url(name), "CREATE SCHEMA other; GRANT CREATE ON SCHEMA public TO mangler")
    yield server.url(name)
    run(server.url(), f"DROP DATABASE {name} WITH (FORCE)")


def mangle(url: str, base: str, statements: list[str]) -> list[str]:
    """Make the database; return the statements that were possible."""
    if base == "migrated":
        migrate(url)
    elif base:
        run(url, base)
    for _ in range(3 if base else 0):
        with suppress(DatabaseError):  # an encoding that the job refuses
            run(url, ORIGINAL_INSERT)
    name = urlsplit(url).path.removeprefix("/")
    return [one for one in statements if _is_possible(url, one.replace("DB", name))]


def _is_possible(url: str, statements: str) -> bool:
    try:
        run(url, f"SET search_path = public; SET ROLE postgres; {statements}")
    except DatabaseError:
        return False
    return True


def rows(url: str) -> dict[str, int]:
    """How many rows each table has."""
    with session(url) as connection:
        connection.run(QUIET)
        tables = connection.run(TABLES) or []
        counts = {name: connection.run(f"SELECT count(*) FROM {name}") for [name] in tables}
        return {name: found[0][0] for name, found in counts.items() if found}


def catalog(url: str) -> Any:
    with session(url) as connection:
        connection.run(QUIET)
        return connection.run(CATALOG)


def insert(url: str) -> int:
    """Insert a row by the function's own statement; return how many rows there are of it."""
    row = {**ROW, "id": str(uuid4())}
    with session(url) as connection:
        statement = INSERT.replace("$1", "CAST(:rows AS jsonb)")
        [[created]] = connection.run(statement, rows=json.dumps([row])) or []
        return len(json.loads(created))


def fault(server: EmbeddedPostgres, number: int) -> tuple[str, str]:
    """Return what the job did to the database of this number, and what is wrong with that."""
    choose = random.Random(number)  # noqa: S311 - not a secret
    with database(server, choose.choice(ENCODINGS)) as url:
        base, wanted = choose.choice(BASES), choose.sample(MANGLES, choose.choice([1, 1, 2, 3]))
        done = mangle(url, base, wanted)
        as_role = address(url, login=choose.choice(ROLES))
        before, kept = catalog(url), rows(url)
        result = migrate(as_role, timeout=3)
        what = f"{done} on {base!r} by {urlsplit(as_role).username}: {result.output}"
        problem = _problem(result, before == catalog(url), kept, rows(url))
        if result.code == 0 and not problem and not result.suspects:
            problem = _insert_problem(url)
    return ("upgraded" if result.code == 0 else "refused"), f"{problem}: {what}" if problem else ""


def _problem(result: Run, unchanged: bool, before: Any, after: Any) -> str:
    lines = [json.loads(line) for line in result.output.splitlines()]
    errors = [line for line in lines if line["level"] == "ERROR"]
    if any(after.get(name) != number for name, number in before.items()):
        return f"rows were lost: {before} and {after}"
    if result.code:
        if result.code != 1 or len(errors) != 1 or "stack" in errors[0]:
            return "not one error"
        reason = errors[0]["reason"]
        if ". " not in reason and not reason.startswith("no connection to"):
            return "no hint"
        return "" if unchanged else "refused, but changed"
    return ""


def _insert_problem(url: str) -> str:
    try:
        return "" if insert(url) == 1 else "the row is not there"
    except DatabaseError as exc:
        return f"no insert is possible: {exc}"


def test_mangled_databases(server: EmbeddedPostgres, amount: Amount) -> None:
    seen: Counter[str] = Counter()
    for number in range(amount.seed, amount.seed + amount.databases):
        outcome, problem = fault(server, number)
        seen[outcome] += 1
        assert not problem, f"{problem}\nRepeat it: --databases 1 --seed {number}"
    print(f"\n{amount.databases} databases: {dict(seen)}")
