"""The command line of `make eval`."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.spending import Prices

DESCRIPTION = """\
Sends a labelled set of students' messages to the model that the LLM_* variables name, and prints
how well the model reads them. Without a provider, keyword rules answer."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to do. `saved` is a run to show instead of asking; `json` is the file for a new run."""

    concurrency: int
    prices: Prices | None
    json: Path | None
    saved: Path | None
    compare: Path | None


def parse(arguments: Sequence[str], environ: Mapping[str, str]) -> Options:
    """Parse the command line, or exit with an error message."""
    parser = _parser(environ)
    given = parser.parse_args(arguments)
    if (given.price_in is None) != (given.price_out is None):
        parser.error("--price-in and --price-out go together")
    if given.json and given.json.is_dir():
        parser.error(f"--json: {given.json} is a folder")
    if given.json and not given.json.parent.is_dir():
        parser.error(f"--json: there is no folder {given.json.parent}")
    return Options(
        concurrency=given.concurrency,
        prices=None if given.price_in is None else Prices(given.price_in, given.price_out),
        json=given.json,
        saved=given.saved,
        compare=given.compare,
    )


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m eval", description=DESCRIPTION)
    parser.add_argument(
        "--concurrency", type=number, default=4, metavar="N", help="requests at once; default: 4"
    )
    for which in ("in", "out"):
        parser.add_argument(
            f"--price-{which}",
            type=price,
            default=environ.get(f"EVAL_PRICE_{which.upper()}") or None,
            metavar="PRICE",
            help=f"of a million tokens {which}; default: EVAL_PRICE_{which.upper()}, else unknown",
        )
    parser.add_argument("--json", type=Path, metavar="FILE", help="save the run there")
    parser.add_argument(
        "--saved", type=Path, metavar="FILE", help="show this saved run, and ask no model"
    )
    parser.add_argument(
        "--compare", type=Path, metavar="FILE", help="compare the run with this saved one"
    )
    return parser


def number(text: str) -> int:
    """Parse a whole number. argparse uses this function's name in its errors."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def price(text: str) -> float:
    """Parse a price. argparse uses this function's name in its errors."""
    if not 0 <= (value := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError("must be at least 0")
    return value
