"""Says when the application has closed its connections."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3]))

from function.http.asgi import Application

close = Application.aclose


async def aclose(self: Application) -> None:
    await close(self)
    print("all connections are closed", flush=True)


Application.aclose = aclose  # type: ignore[method-assign]
