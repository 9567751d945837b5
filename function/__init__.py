"""The mentor function. Knative `func` finds its entry point, `new`, here."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from function.knative import KnativeFunction

# pydantic searches every installed distribution for plugins when it is imported, which costs a
# cold start 10 ms, and the function uses none.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def new() -> "KnativeFunction":
    """Make the instance that Knative's func-python serves.

    Exits with code 2 when the environment is not a valid configuration.
    """
    from function.knative import KnativeFunction

    return KnativeFunction()
