"""`python -m function.reanalyze`: ask the model again about feedback that it did not analyze.

A new strategy is a row of strategy_revision, which Debezium publishes as mentor.strategy.revised.
Each row is committed before the next question, so a run may end at any time and the next one
continues. An advisory lock keeps a second run from asking the same questions.
"""

import argparse
import asyncio
import logging
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from uuid import UUID

from function import logs
from function.http.traceparent import continue_trace
from function.llm.analyzer import LlmAnalyzer
from function.service import report_concern
from function.settings import Settings, load_or_exit
from function.store import revisions
from function.store.connection import connect
from function.store.driver import CONNECTION_ERRORS, Connection, DatabaseError
from function.store.faults import describe, is_refusal

STATEMENT_TIMEOUT = 60.0  # seconds

log = logging.getLogger("function.reanalyze")


class RunEnded(Exception):
    """The run can't continue; the text says why."""


def main() -> int:
    """Return the exit code: 0 at the end of the list, 1 when the run ended before."""
    options = _options()
    settings = load_or_exit(os.environ)
    if settings.llm is None:
        print("LLM_PROVIDER: missing, and a new strategy needs a model", file=sys.stderr)
        return 2
    logs.configure(settings.log_level, settings.log_format)
    return asyncio.run(reanalyze(settings, LlmAnalyzer(settings.llm), options))


async def reanalyze(settings: Settings, analyzer: LlmAnalyzer, options: argparse.Namespace) -> int:
    """Ask about the oldest rows, one after the other, and return the exit code."""
    counts = Counter(revised=0, left=0)
    reason = ""
    try:
        with _connected(settings) as connection:
            await _revise_all(connection, analyzer, options, counts)
    except RunEnded as exc:
        reason = str(exc)
    except (DatabaseError, *CONNECTION_ERRORS) as exc:
        reason = describe(exc)
    await analyzer.close()
    logs.request_fields.set({})
    if reason:
        log.error("reanalysis ended early", extra={**counts, "reason": reason})
        return 1
    log.info("reanalysis ended", extra=counts)
    return 0


@contextmanager
def _connected(settings: Settings) -> Iterator[Connection]:
    """Connect, and check what could make every question pointless."""
    with closing(connect(settings.postgres, STATEMENT_TIMEOUT)) as connection:
        if connection.pooled:
            raise RunEnded("DATABASE_URL leads to a pooler: name PostgreSQL itself")
        if not revisions.lock(connection):
            raise RunEnded("another run is in progress")
        revisions.check(connection)
        yield connection


async def _revise_all(
    connection: Connection,
    analyzer: LlmAnalyzer,
    options: argparse.Namespace,
    counts: Counter[str],
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    for row_id in revisions.choose(connection, options.limit):
        logs.request_fields.set({"row_id": str(row_id)})  # in the analyzer's lines, too
        revised = await _revise(connection, analyzer, row_id)
        counts["revised" if revised else "left"] += 1
        log.info("strategy revised" if revised else "strategy not revised")
        if analyzer.is_paused:
            raise RunEnded("the model failed several times in a row, or today's tokens are spent")
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 60 / options.per_minute)
            raise RunEnded("stopped by a signal")


async def _revise(connection: Connection, analyzer: LlmAnalyzer, row_id: UUID) -> bool:
    """Ask, and return whether a revision was stored; the next run asks again about the others."""
    found = revisions.read(connection, row_id)
    if found is None:
        return False  # deleted or erased since the run began
    feedback, traceparent = found
    strategy = await analyzer.analyze(feedback)
    if not strategy.snapshot.feedback_based and not strategy.concern.is_danger:
        return False
    stored = False
    try:
        stored = revisions.insert(connection, row_id, strategy, continue_trace(traceparent))
    except DatabaseError as exc:
        if not is_refusal(exc):
            raise
        log.error("revision refused", extra={"reason": describe(exc)})
    finally:
        if strategy.concern.is_danger:
            report_concern(strategy.concern, row_id, stored=stored)
    return stored


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m function.reanalyze")
    parser.add_argument("--limit", type=_count, default=1000, help="rows (default: 1000)")
    parser.add_argument("--per-minute", type=_count, default=60, help="rows (default: 60)")
    return parser.parse_args()


def _count(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,8}", text):
        raise argparse.ArgumentTypeError("must be a whole number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
