"""Raises errors that quote the student where a bug could: the message names the place."""

import asyncio
import atexit
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3]))

from function.domain import StoredEntry
from function.service import Service, Submission

keep = Service.keep


async def keep_badly(self: Service, submissions: Sequence[Submission]) -> list[StoredEntry]:
    words = submissions[0].feedback.message
    place = words.rpartition(" ")[2]
    loop = asyncio.get_running_loop()
    if place == "request":
        fail(words)
    elif place == "task":
        loop.create_task(fail_later(words))  # noqa: RUF006 - nobody retrieves its error
    elif place == "callback":
        loop.call_soon(fail, words)
    elif place == "future":
        loop.create_future().set_exception(ValueError(words))
    elif place == "thread":
        threading.Thread(target=fail, args=(words,)).start()
    elif place == "finalizer":
        Fragile(words)
    elif place == "exit":
        atexit.register(fail, words)
    return await keep(self, submissions)


def fail(words: str) -> None:
    raise ValueError(words)


async def fail_later(words: str) -> None:
    fail(words)


class Fragile:
    def __init__(self, words: str) -> None:
        self._words = words

    def __del__(self) -> None:
        fail(self._words)


Service.keep = keep_badly  # type: ignore[method-assign]
