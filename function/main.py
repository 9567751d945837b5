"""The host for functions-framework and Cloud Functions.

$ functions-framework --source function/main.py --target feedback
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import functions_framework.aio
from gunicorn.config import ControlSocketDisable  # type: ignore[import-untyped]
from starlette.applications import Starlette
from starlette.requests import Request
from uvicorn.protocols.http import auto

# functions-framework puts this file's own folder on the path, not the one that holds the package.
sys.path.insert(0, str(Path(__file__).parents[1]))

from function import logs
from function.hosts.protocol import make_protocol
from function.http.asgi import Application, create_application
from function.settings import load_or_exit
from function.store import Store

settings = load_or_exit(os.environ)
logs.configure(settings.log_level, settings.log_format)
# functions-framework starts uvicorn by its own command, which takes its protocol from there.
vars(auto)["AutoHTTPProtocol"] = make_protocol(settings.keep_alive_timeout)
# Otherwise gunicorn makes one in the user's home. functions-framework passes no setting for it.
ControlSocketDisable.default = True
application = create_application(settings, Store(settings.postgres, settings.database_timeout))


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Connect in the process that serves, which gunicorn forks, and close when it ends."""
    application.start()
    yield
    await application.aclose()


async def answer_unrouted(request: Request, error: Exception) -> Any:
    """Let the application also answer what functions-framework does not route."""
    return application


# functions-framework makes the application of ASGI itself, and has no settings for it.
vars(functions_framework.aio)["Starlette"] = partial(
    Starlette,
    lifespan=lifespan,
    exception_handlers={404: answer_unrouted, 405: answer_unrouted},
)


@functions_framework.aio.http  # type: ignore[arg-type] # its types name Response only
async def feedback(request: Request) -> Application:
    """Let the application answer: Starlette takes any ASGI application for a response."""
    return application
