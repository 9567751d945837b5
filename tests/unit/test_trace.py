"""The place of a request in a trace."""

import re

import pytest

from function.http.traceparent import continue_trace

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
VALID = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-00")


@pytest.mark.parametrize(
    ("caller", "flags"),
    [
        (f"00-{TRACE}-{PARENT}-01", "01"),
        (f"00-{TRACE}-{PARENT}-00", "00"),
        (f"00-{TRACE}-{PARENT}-02", "02"),  # the random-trace-id flag of Level 2
        (f"00-{TRACE}-{PARENT}-03", "03"),
        (f"00-{TRACE}-{PARENT}-ff", "03"),
        (f"cc-{TRACE}-{PARENT}-01-what-the-future-will-bring", "01"),
        (f" 00-{TRACE}-{PARENT}-01 ", "01"),
    ],
)
def test_the_callers_trace_goes_on_in_a_span_of_our_own(caller: str, flags: str) -> None:
    version, trace, span, own_flags = continue_trace(caller).split("-")
    assert (version, trace, own_flags) == ("00", TRACE, flags)
    assert span != PARENT


@pytest.mark.parametrize(
    "caller",
    [
        "",
        "nonsense",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}",
    ],
)
def test_a_trace_begins_where_the_caller_has_none(caller: str) -> None:
    assert VALID.fullmatch(continue_trace(caller))
    assert TRACE not in continue_trace(caller)
