"""`make run`: PostgreSQL and the function in a terminal, until Ctrl-C.

With DATABASE_URL, it uses that PostgreSQL and starts none. When the function's files change, the
function restarts, and PostgreSQL keeps running.
"""

import os
import socket
import sys
from collections.abc import Mapping
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from dev.database import migrate, own_postgres, started
from dev.initdb import PostgresError
from dev.postgres import EmbeddedPostgres
from dev.reload import Changes, FunctionError, Reloader
from dev.supervisor import Stopped, StopRequest
from function.llm_settings import LlmSettings
from function.settings import load

HOST = "127.0.0.1"  # other machines must not reach it

READY = """
The function is ready. Send it a student's feedback from another terminal:

  curl -H 'Content-Type: application/json' {address}/api/v1/feedback \\
    -d '{{"student_id": "550e8400-e29b-41d4-a716-446655440000", "task_id": "task-123",
         "message": "This is too hard"}}'

  It listens on   {address}
  In a browser    {docs}
  The strategy    {strategy}
  The database    {url}
  Its data        {data}
  It reloads      when function/ or schema.sql changes
  To stop it      Ctrl-C
"""


class RunError(Exception):
    """`make run` can't continue; the text says what to do."""


def main() -> int:
    """Return 0 when the user stopped it, another exit code when something failed."""
    stop = StopRequest()
    try:
        return _run(stop)
    except Stopped:
        print("Stopped.")
        return 0
    except (RunError, FunctionError, PostgresError) as exc:
        print(exc, file=sys.stderr)
        return 1


def _run(stop: StopRequest) -> int:
    port = _port()
    with own_postgres() as server:
        _check_free(port)
        changes = Changes()
        environ = started(server)
        if code := migrate(environ, stop):
            return code
        print("Starting the function ...", flush=True)
        reloader = Reloader(
            _command(port),
            environ,
            stop,
            changes,
            is_ready=partial(_is_ready, port),
            announce=partial(_welcome, port, environ, server),
        )
        return reloader.run()


def _port() -> int:
    text = os.environ.get("PORT") or "8080"
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 65535:
        return int(text)
    raise RunError("PORT must be a number from 1 to 65535: make run PORT=9000")


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as exc:
            another = 9000 if port != 9000 else 9001
            raise RunError(
                f"Port {port} can't be used ({exc.strerror}). Choose another one: "
                f"make run PORT={another}"
            ) from None


def _command(port: int) -> list[str | Path]:
    """The command line for users of functions-framework."""
    program = Path(sys.executable).with_name("functions-framework")
    source = ["--source", "function/main.py", "--target", "feedback"]
    return [program, *source, "--host", HOST, "--port", str(port)]


def _is_ready(port: int) -> bool:
    connection = HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _welcome(port: int, environ: Mapping[str, str], server: EmbeddedPostgres | None) -> None:
    if server:
        database, data = environ["DATABASE_URL"], str(server.folder)
    else:
        database, data = "DATABASE_URL's", "on that server"  # the URL may hold a password
    address, settings = f"http://{HOST}:{port}", load(environ)
    docs = f"{address}/docs" if settings.docs else "off (DOCS=off)"
    fields = {"strategy": _strategy(settings.llm), "docs": docs, "url": database, "data": data}
    print(READY.format(address=address, **fields), flush=True)


def _strategy(llm: LlmSettings | None) -> str:
    if llm is None:
        return "the stub's, always the same (LLM_PROVIDER sets a model)"
    model = f"from the model {llm.model} ({llm.provider})"
    return f"{model}; the neutral one while it is loading" if llm.own_server else model


if __name__ == "__main__":
    sys.exit(main())
