"""How the connections of a process share it."""

import asyncio
from typing import Any
from unittest.mock import Mock

from function.hosts.connections import TURN, Connections


class Client:
    """A connection that begins a request whenever it may."""

    def __init__(self, shared: Connections, *, closed: bool = False) -> None:
        self.transport: Any = Mock(spec=asyncio.Transport)
        self.transport.is_closing.return_value = closed
        self.begun = False
        self.checks = 0
        self._shared = shared

    def go_on(self) -> None:
        self.begun = self._shared.admit(self)

    def check(self, now: float) -> None:
        self.checks += 1


async def begun_in_each_turn(clients: list[Client]) -> list[int]:
    for client in clients:
        client.go_on()
    found: list[int] = []
    while not found or found[-1] != sum(client.begun for client in clients):
        found.append(sum(client.begun for client in clients))
        await asyncio.sleep(0)
    return found


def test_a_turn_begins_no_more_requests_than_its_share() -> None:
    async def run() -> None:
        shared = Connections(4096, 95)
        clients = [Client(shared) for _ in range(2 * TURN + 1)]
        assert await begun_in_each_turn(clients) == [TURN, 2 * TURN, 2 * TURN + 1]

    asyncio.run(run())


def test_clients_that_have_gone_hold_up_no_others() -> None:
    async def run() -> None:
        shared = Connections(4096, 95)
        gone = [Client(shared, closed=True) for _ in range(TURN)]
        clients = [*(Client(shared) for _ in range(TURN)), *gone, Client(shared)]
        assert await begun_in_each_turn(clients) == [TURN, TURN + 1]

    asyncio.run(run())


def test_above_the_limit_a_new_connection_replaces_the_one_that_waits_longest() -> None:
    async def run() -> None:
        shared = Connections(2, 95)
        busy, longest, other, new = clients = [Client(shared) for _ in range(4)]
        for client in clients[:3]:
            shared.wait(client)
        shared.serve(busy)
        for client in (busy, longest, other):
            shared.add(client)
        assert [client.transport.abort.called for client in clients] == [False, True, False, False]
        shared.remove(longest)

        shared.add(new)
        assert other.transport.abort.called

        shared.remove(other)
        shared.add(Client(shared))
        assert shared.too_many
        assert not busy.transport.abort.called

    asyncio.run(run())


def test_freeze() -> None:
    """The first check after a freeze comes before the data that arrived meanwhile was read."""

    async def run() -> None:
        shared = Connections(2, 95)
        client = Client(shared)
        shared.add(client)
        shared._checked -= 60
        shared._check_all()
        assert client.checks == 0
        shared._check_all()
        assert client.checks == 1

    asyncio.run(run())
