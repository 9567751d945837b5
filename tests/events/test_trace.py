"""A consumer goes on with the trace of the request that made its event."""

import re

import pytest

from tests.events.chain import Chain

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
TRACEPARENT = re.compile(r"00-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>0[01])")


def traceparent(chain: Chain, student: str) -> re.Match[str]:
    """What the row, the event and its header have, which is the same."""
    (record,) = chain.records(student, 1)
    (row,) = chain.rows(student)
    header = (record.header("ce_traceparent") or b"").decode()
    assert header == record.row()["traceparent"] == row["traceparent"]
    match = TRACEPARENT.fullmatch(header)
    assert match, header
    return match


def test_the_requests_trace_goes_on_in_a_span_of_the_functions_own(
    chain: Chain, student: str
) -> None:
    chain.post(student, "traced", traceparent=f"00-{TRACE}-{SPAN}-01")
    found = traceparent(chain, student)
    assert found["trace"] == TRACE
    assert found["flags"] == "01"
    assert found["span"] not in {SPAN, "0" * 16}


def test_a_request_without_a_trace_starts_one(chain: Chain, student: str) -> None:
    chain.post(student, "not traced")
    found = traceparent(chain, student)
    assert found["trace"] not in {TRACE, "0" * 32}
    assert found["span"] != "0" * 16
