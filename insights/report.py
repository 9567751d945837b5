"""`python -m insights report`."""

from __future__ import annotations

import sys
from datetime import date

import fsspec
import obstore.fsspec
from obstore.exceptions import BaseError

from function.store.driver import Connection
from insights import data, quotes
from insights.options import Options
from insights.page import Page
from insights.periods import Kind, Period
from insights.tables import as_csv, as_json

OBJECT_STORES = ("s3", "gs", "abfs")


def write(connection: Connection, options: Options) -> None:
    """Read the report, and write it where the options say."""
    report = data.read(connection, _period(connection, options))
    messages = quotes.read(connection, report) if options.quotes else {}
    if options.format == "html":
        text = Page(report, options.language).render(messages)
    elif options.format == "json":
        text = as_json(report, messages)
    else:
        text = as_csv(report)
    if options.output == "-":
        sys.stdout.buffer.write(text.encode())  # the page says that it is UTF-8
    else:
        _write_file(options.output.replace("{start}", str(report.period.start)), text)


def _write_file(place: str, text: str) -> None:
    obstore.fsspec.register(OBJECT_STORES)
    try:
        files, path = fsspec.url_to_fs(place)
        files.pipe_file(path, text.encode())
    except (ImportError, ValueError) as exc:  # of the kind of address
        print(f"--output: {exc}", file=sys.stderr)
        raise SystemExit(2) from None
    except (BaseError, OSError) as exc:  # the other lines of obstore's errors are for debugging
        reason, _, _ = str(exc).partition("\n")
        print(f"--output: {reason}", file=sys.stderr)
        raise SystemExit(1) from None


def _period(connection: Connection, options: Options) -> Period:
    kind: Kind = "week" if options.period == "week" else "month"
    [[time_zone, today]] = connection.run(
        "SELECT insights.time_zone(),"
        f" to_char(now() AT TIME ZONE insights.time_zone(), '{data.ISO}')"
    )
    if options.timezone not in {None, time_zone}:
        print(
            f"The views have the time zone {time_zone}. To change it:"
            f" python -m insights apply --timezone {options.timezone}",
            file=sys.stderr,
        )
        raise SystemExit(2)
    if options.since:
        return Period.of(options.since, kind)
    return Period.of(date.fromisoformat(today), kind).before()
