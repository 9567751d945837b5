"""The mentor function. Knative `func` finds its entry point, `new`, here."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from function.hosts.knative import KnativeFunction


def new() -> "KnativeFunction":
    """Make the instance that Knative's func-python serves.

    Exits with code 2 when the environment is not a valid configuration.
    """
    from function.hosts.knative import KnativeFunction

    return KnativeFunction()
