"""All hosts answer the same bytes alike: with the same statuses and codes."""

import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest

from tests.conftest import apply_schema
from tests.fuzz.answers import PROTOCOL, Outcome, disagree, read_answers
from tests.fuzz.batches import run_batch
from tests.fuzz.conftest import Amount
from tests.fuzz.connections import Connection, connections
from tests.instance import HOSTS, Instance, running

PATIENCE = 20  # seconds; longer than each limit of a host, on a busy machine

pytestmark = [
    pytest.mark.fuzz,
    pytest.mark.timeout(0),
    pytest.mark.filterwarnings("ignore:Generating overly large repr"),
]


@pytest.fixture(scope="module")
def instances(
    server_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Instance]]:
    """The three hosts, which share a database."""
    apply_schema(server_url)
    folder = tmp_path_factory.mktemp("fuzz")
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                running(folder / host, server_url, host, DATABASE_TIMEOUT="20", DOCS="off")
            )
            for host in HOSTS
        ]
        for one in started:
            one.wait_until_ready()
        yield started
        for one in started:
            assert one.terminate() == 0
            assert [line for line in one.events() if "stack" in line] == []
            assert "Traceback" not in one.log


def talk(instance: Instance, connection: Connection) -> list[Outcome]:
    """Send it, half-close, and read to the end; raises TimeoutError where a host hangs."""
    received = b""
    with socket.create_connection(("127.0.0.1", instance.port), PATIENCE) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(ConnectionError):  # it was refused meanwhile
            for part in connection.parts():
                client.sendall(part)
        with suppress(OSError):  # it was closed meanwhile
            client.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while part := client.recv(65536):
                received += part
    return read_answers(received)


def test_hosts_agree(instances: list[Instance], amount: Amount) -> None:
    seen: Counter[int] = Counter()
    sent = 0
    seed = amount.seed

    def check(connection: Connection) -> None:
        nonlocal sent
        sent += connection.requests
        answers = list(pool.map(lambda one: talk(one, connection), instances))
        seen.update(answer.status for one in answers for answer in one)
        for host, found in zip(HOSTS, answers, strict=True):
            failures = [one for one in found if one.status >= 500 and one.status not in PROTOCOL]
            assert failures == [], f"{host} answers {found} to {connection.data!r}"
            assert not disagree(answers[0], found), (
                f"{HOSTS[0]} answers {answers[0]}, and {host} {found}, to {connection.data!r}"
            )

    with ThreadPoolExecutor(len(HOSTS)) as pool:
        while sent < amount.requests:
            run_batch(seed, connections(), check)
            seed += 1

    assert {200, 400, 404, 405, 415, 422} <= seen.keys(), seen
    print(f"\n{sent} requests to each of {len(HOSTS)} hosts: {dict(sorted(seen.items()))}")
