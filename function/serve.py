"""The container's host: uvicorn by its Python API. Run it with `python -m function.serve`.

An instance starts because a request waits, so the order of the imports is a feature: the store
connects in its own thread while the rest is still being imported.
"""

import gc
import os
import signal
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

from function import logs
from function.settings import DRAIN_TIMEOUT, Settings, load_or_exit
from function.store import Store

if TYPE_CHECKING:
    from function.hosts.server import Server

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main() -> None:
    """Serve until SIGTERM or SIGINT; then finish the requests in flight and return."""
    # The kernel drops signals that process 1 of a container has no handler for.
    for number in STOP_SIGNALS:
        signal.signal(number, _end)
    settings = load_or_exit(os.environ)
    logs.configure(settings.log_level, settings.log_format)
    store = Store(settings.postgres, settings.database_timeout)
    store.connect()
    server = _make_server(settings, store)
    for number in STOP_SIGNALS:
        signal.signal(number, partial(_stop, server))
    # Imported objects live as long as the process, and requests leave no cycles: collect seldom.
    gc.freeze()
    gc.set_threshold(20_000)
    server.run()


def _end(number: int, frame: FrameType | None) -> None:
    """End at once: no request is under way yet, and an import may swallow a SystemExit."""
    os._exit(0)


def _make_server(settings: Settings, store: Store) -> "Server":
    """Import the rest, while the store connects."""
    from function.hosts import limits
    from function.hosts.protocol import make_protocol
    from function.hosts.server import Config, PatientServer
    from function.http.asgi import create_application

    return PatientServer(
        Config(
            create_application(settings, store),
            host="0.0.0.0",  # noqa: S104 - a container is reached from outside of it
            port=settings.port,
            http=make_protocol(settings.keep_alive_timeout),  # type: ignore[arg-type] # a factory does
            backlog=limits.BACKLOG,
            lifespan="on",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=DRAIN_TIMEOUT,
        ),
        settings.shutdown_delay,
    )


def _stop(server: "Server", number: int, frame: FrameType | None) -> None:
    """Handle a signal before uvicorn's own handlers are set, or after they are removed.

    The first must not be lost. uvicorn raises each signal again when it has finished, and the
    default handler would turn an orderly end into a failure.
    """
    server.should_exit = True


if __name__ == "__main__":
    main()
