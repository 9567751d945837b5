"""The time of an insert into a table with many rows, beside that into an empty one."""

import asyncio
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from statistics import median

from bench import payload
from bench.database import NAME, Database, started
from bench.output import say, table
from function.domain import Concern, Difficulty, Entry, Feedback, ModelSnapshot, Strategy
from function.http.ids import new_id
from function.migrate import migrate
from function.settings import load
from function.store import Store

ROUNDS = 10  # of each table, in turn
INSERTS = 300  # a round
BATCH = 100_000  # rows of a transaction that fills the table
TOPICS = ("fractions", "decimals", "geometry", "algebra", "percentages", "equations", "graphs")
KINDS = ("task", "topic", "self", "platform")
# As models decide: the GIN index gets a dozen entries for a row, of which the tokens vary most.
FILL = f"""
INSERT INTO feedback (id, student_id, task_id, message, perceived_difficulty,
    difficulty_adjustment, topic_weights, sentiment, strategy_snapshot, concern, traceparent,
    created_at)
SELECT CASE number % 2 WHEN 0 THEN gen_random_uuid()
            ELSE uuidv7(at - clock_timestamp()) END,
    md5((random() * :students)::int::text)::uuid, 'task-' || number % 5000, :message, 'hard',
    -0.25, '{{"fractions": 0.7, "decimals": 0.3}}', 'frustrated',
    jsonb_build_object('difficulty_weight', 0.75, 'feedback_based', true,
        'sentiment', 'frustrated', 'model', 'model-1', 'prompt_version', '7',
        'topics', ARRAY[topics[1 + number % 7], topics[1 + number % 5]],
        'kind', kinds[1 + number % 4], 'understanding', 'partial',
        'input_tokens', 1900 + (random() * 1000)::int, 'output_tokens', 60 + number % 40),
    'none', :traceparent, at
FROM generate_series(CAST(:first AS int), :last) AS number,
    LATERAL (SELECT now() - interval '1 s' * (:total - number) AS at,
        ARRAY{list(TOPICS)} AS topics, ARRAY{list(KINDS)} AS kinds) AS constants
"""
SECONDARY = ("idx_feedback_student_id", "idx_feedback_created_at", "idx_feedback_strategy_snapshot")
# How the function makes the id: of time, or of an Idempotency-Key.
IDS: Mapping[str, Callable[[], uuid.UUID]] = {"of time": new_id, "of a key": uuid.uuid4}
# Times the p50 of the empty table. An id of a key is at a random place of the primary key.
LIMITS = {"of time": 1.1, "of a key": 1.25}


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of inserts, one row each."""

    empty: list[float] = field(default_factory=list)
    full: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The p50 of the full table in those of the empty one."""
        return median(self.full) / median(self.empty)


def measure(rows: int) -> dict[str, Times]:
    """Fill a table, then insert into it and an empty one in turn; by how ids are made."""
    with started() as empty, started() as full:
        fill(full, rows)
        found = {name: Times() for name in IDS}
        for turn in range(ROUNDS):
            for name, make_id in IDS.items():
                empty.empty()
                found[name].empty.extend(asyncio.run(insert(empty, make_id)))
                found[name].full.extend(asyncio.run(insert(full, make_id)))
            say(f"round {turn + 1}: " + ", ".join(f"{it.ratio:.3f}" for it in found.values()))
        return found


def problems(found: Mapping[str, Times], slack: float) -> list[str]:
    """What is wrong with the times; `slack` is added to the limits."""
    return [
        f"with an id {name}, an insert takes {times.ratio:.2f} times that into an empty table"
        for name, times in found.items()
        if times.ratio > LIMITS[name] + slack
    ]


def render(found: Mapping[str, Times], rows: int) -> str:
    """The table: two lines for each way to make an id."""
    lines = [
        [f"an id {name}", f"{number:,}", *_figures(times), f"{median(times) / median(base):.2f}"]
        for name, each in found.items()
        for number, times, base in ((0, each.empty, each.empty), (rows, each.full, each.empty))
    ]
    header = ["a row with", "rows before", "p50 ms", "p99 ms", "slowest ms", "p50, times"]
    return table(header, lines)


def fill(database: Database, rows: int) -> None:
    """Insert the rows without indexes, then let the migrate job make the indexes."""
    with closing(database.connect()) as connection:
        connection.run("SET synchronous_commit = off")
        connection.run("ALTER TABLE feedback DROP CONSTRAINT feedback_pkey")
        connection.run(f"DROP INDEX {', '.join(SECONDARY)}")
        for first in range(1, rows + 1, BATCH):
            last = min(first + BATCH - 1, rows)
            connection.run(
                FILL,
                first=first,
                last=last,
                total=rows,
                students=rows // 100,
                message=payload.ROW["message"],
                traceparent=payload.TRACEPARENT,
            )
            say(f"{last:,} rows")
        connection.run("ALTER TABLE feedback ADD PRIMARY KEY (id)")
        migrate(load({"DATABASE_URL": database.server.url(NAME), "MIGRATE_TIMEOUT": "3600"}))
        connection.run("VACUUM ANALYZE feedback")
        connection.run("CHECKPOINT")


async def insert(database: Database, make_id: Callable[[], uuid.UUID]) -> list[float]:
    """Insert one row after the other by the function's store; return milliseconds."""
    store = Store(load({"DATABASE_URL": database.url}).postgres, timeout=60)
    await store.insert([_entry(make_id())], store.deadline())  # connects
    times = []
    for _ in range(INSERTS):
        started_at = time.perf_counter()
        await store.insert([_entry(make_id())], store.deadline())
        times.append((time.perf_counter() - started_at) * 1000)
    await store.close()
    return times


def _entry(row_id: uuid.UUID) -> Entry:
    random_topics = random.sample(TOPICS, 2)
    tokens = random.randrange(1900, 2900), random.randrange(60, 100)  # noqa: S311 - no secrets
    snapshot = ModelSnapshot(
        *(0.75, True, "frustrated", random_topics, "model-1", "7"),
        *(random.choice(KINDS), "partial", *tokens),  # noqa: S311 - as above
    )
    weights = dict(zip(random_topics, (0.7, 0.3), strict=True))
    strategy = Strategy(Difficulty.HARD, -0.25, weights, "frustrated", snapshot, Concern.NONE)
    feedback = Feedback(uuid.uuid4(), "task-123", payload.ROW["message"])
    return Entry(row_id, feedback, strategy, payload.TRACEPARENT)


def _figures(times: Sequence[float]) -> list[str]:
    ordered = sorted(times)
    found = median(ordered), ordered[len(ordered) * 99 // 100], ordered[-1]
    return [f"{one:.2f}" for one in found]
