"""A table that a test module prints at its end, of what its tests have measured."""

from collections.abc import Sequence

import pytest

from bench.output import table


def print_table(
    request: pytest.FixtureRequest, header: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """Print the table, if it has rows, past what pytest captures."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    if rows and capture:
        with capture.global_and_fixture_disabled():
            print(f"\n\n{table(header, rows)}\n")
