"""`make soak`: an instance that answers for long, and a table that has grown.

It fails when memory or descriptors grow, or an insert takes longer because of the rows before it.
"""

import argparse
import sys

from bench import wrk
from bench.output import BenchFailure
from tests.soak import requests, rows

SHORT_REQUESTS, SHORT_ROWS, SHORT_SLACK = 30_000, 200_000, 0.9


def main() -> int:
    """Return 1 when something is wrong."""
    options = _parse()
    if not wrk.is_installed():
        print("make soak needs wrk: apt-get install wrk, or brew install wrk", file=sys.stderr)
        return 1
    tables, problems = [], []
    try:
        if options.requests:
            samples = requests.measure(options.requests)
            tables.append(requests.render(samples))
            problems += requests.problems(samples)
        if options.rows:
            times = rows.measure(options.rows)
            tables.append(rows.render(times, options.rows))
            problems += rows.problems(times, options.slack)
    except BenchFailure as exc:
        problems.append(str(exc))
    print("\n\n".join([*tables, *(f"WRONG: {problem}" for problem in problems)]))
    return 1 if problems else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000, help="default: %(default)s")
    parser.add_argument("--rows", type=int, default=10_000_000, help="default: %(default)s")
    parser.set_defaults(slack=0.0)
    parser.add_argument(
        "--short",
        action="store_const",
        const={"requests": SHORT_REQUESTS, "rows": SHORT_ROWS, "slack": SHORT_SLACK},
        help=f"{SHORT_REQUESTS} requests, {SHORT_ROWS} rows, on a machine that does much else",
    )
    options = parser.parse_args()
    vars(options).update(options.short or {})
    return options


if __name__ == "__main__":
    sys.exit(main())
