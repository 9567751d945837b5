"""Work in a thread that neither a request past its limit nor the end of the process waits for.

The event loop's own pool of threads is joined at the end, and a look-up of a name can hang for
half a minute.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Generic, TypeVar, cast

T = TypeVar("T")


def in_thread(function: Callable[[], T]) -> asyncio.Future[T]:
    """Call the function in a daemon thread; its error becomes the future's."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if future.done():
            return
        if error:
            future.set_exception(error)
        else:
            future.set_result(cast("T", result))

    def run() -> None:
        result: T | None = None
        error: Exception | None = None
        try:
            result = function()
        except Exception as exc:  # noqa: BLE001 - whoever awaits the future gets it
            error = exc
        with contextlib.suppress(RuntimeError):  # the loop is closed, so nothing waits for it
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="llm", daemon=True).start()
    return future


class Shared(Generic[T]):
    """A value that is made in a thread when it is first needed, and again after a failure."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._future: asyncio.Future[T] | None = None

    async def get(self) -> T:
        """Wait for the value; raises the error of `make`."""
        if self._future is None or (self._future.done() and self._future.exception()):
            self._future = in_thread(self._make)
        return await asyncio.shield(self._future)  # others may wait for it, too

    def made(self) -> T | None:
        """Return the value if there is one."""
        if self._future and self._future.done() and not self._future.exception():
            return self._future.result()
        return None
