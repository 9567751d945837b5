"""What a fault is, and how a machine or a fault says that it did not happen."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from tests.chaos.deployment import Deployment


class LeftOut(Exception):
    """This machine can't inject the faults; the text says why."""


class NotInjected(Exception):
    """The fault provably did not happen; the text says what was seen instead."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`inject` lets the fault last for that many seconds, and returns a proof that it happened.

    It raises NotInjected. `prepare` is called before the load, while no request is under way.
    """

    name: str
    inject: Callable[[float], str]
    prepare: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Stage:
    """A deployment, and the faults that happen to it in turn.

    `stored` returns how often each message of some students is stored, if not as rows.
    """

    deployment: Deployment
    faults: Sequence[Fault]
    stored: Callable[[Collection[str]], Counter[str]] | None = None


def stage(
    deployment: Deployment, faults: Mapping[str, Callable[[Deployment, float], str]]
) -> Stage:
    """A stage of faults that need the deployment only."""
    return Stage(
        deployment, [Fault(name, partial(inject, deployment)) for name, inject in faults.items()]
    )


def prove(happened: object, proof: str) -> str:
    """Return the proof. Raises NotInjected when the fault did not happen."""
    if not happened:
        raise NotInjected(f"not so: {proof}")
    return proof
