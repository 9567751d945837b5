"""The host for functions-framework and Cloud Functions.

$ functions-framework --source function/main.py --target feedback
"""

import os
import sys
from pathlib import Path

import functions_framework.aio
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
# The store starts with the first request: gunicorn forks after this line.
application = create_application(settings, Store(settings.postgres, settings.database_timeout))


@functions_framework.aio.http  # type: ignore[arg-type] # its types name Response only
async def feedback(request: Request) -> Application:
    """Let the application answer: Starlette takes any ASGI application for a response."""
    return application
