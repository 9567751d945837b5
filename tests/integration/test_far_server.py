"""A PostgreSQL so far away that a second is enough for a few statements only."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from urllib.parse import urlsplit, urlunsplit

from function.domain import StoredEntry
from function.store.jobs import RowRefused
from tests.integration.test_refused_rows import raises
from tests.integration.test_store import entry, keep, opened, query

DELAY = 0.03  # seconds one way, so a statement takes 60 ms


@asynccontextmanager
async def far(url: str) -> AsyncIterator[str]:
    """Relay connections to a database, each packet late; return the URL to use."""
    parts = urlsplit(url)
    ended = asyncio.Event()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(ConnectionResetError):
            while packet := await reader.read(65536):
                asyncio.get_running_loop().call_later(DELAY, writer.write, packet)

    async def accept(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection(parts.hostname, parts.port)
        await asyncio.gather(relay(client, to_server), relay(server, to_client))
        ended.set()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        user = parts.netloc.rpartition("@")[0]
        yield urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{port}"))
        await ended.wait()


def test_one_refused_row_beside_many_good_ones(feedback_database: str) -> None:
    """One by one, their statements would take twice as long as a request may wait."""
    query(feedback_database, raises("MT001"))

    async def keep_150() -> list[StoredEntry | BaseException]:
        async with far(feedback_database) as url, opened(url, seconds=5) as store:
            await keep(store, entry())
            entries = [entry("poison" if number == 75 else "good") for number in range(150)]
            tasks = [keep(store, one) for one in entries]
            return await asyncio.gather(*tasks, return_exceptions=True)

    outcomes = asyncio.run(keep_150())
    assert isinstance(outcomes.pop(75), RowRefused)
    assert all(isinstance(outcome, StoredEntry) for outcome in outcomes)
