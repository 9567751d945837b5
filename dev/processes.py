"""Processes that may be anybody's children: frozen, thawed, ended, waited for."""

import time
from collections.abc import Iterable
from contextlib import suppress

import psutil


def freeze(processes: Iterable[psutil.Process]) -> None:
    """Stop processes in their tracks."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.suspend()


def thaw(processes: Iterable[psutil.Process]) -> None:
    """Let frozen processes go on."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.resume()


def kill(processes: Iterable[psutil.Process]) -> None:
    """End processes without giving them a chance to tidy up, and wait until they are gone."""
    victims = list(processes)
    for process in victims:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    wait_until_gone(victims, limit=5)


def wait_until_gone(processes: Iterable[psutil.Process], limit: float) -> list[psutil.Process]:
    """Wait for `limit` seconds at most, and return those that are still there.

    A zombie is gone: its parent may take seconds to notice, as the first process of some
    containers does, and psutil's own waiting would take as long.
    """
    deadline = time.monotonic() + limit
    while (left := [process for process in processes if _is_alive(process)]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.01)
    return left


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
