"""One fault under load: what clients were told, compared with the rows."""

import threading
import time
from dataclasses import dataclass

from tests.chaos.deployment import Deployment, Usage
from tests.chaos.fault import Fault, NotInjected, Stage
from tests.events.sender import Load

CLIENTS = 40
HEAD_START = 0.2  # of the load's time, before the fault
WARM_UP = 400  # posts
HIGHEST_RATE = 200.0  # posts a second, which this load can send beside all other programs
MEMORY_LIMIT = 10.0  # megabytes by which both instances may grow in a trial
DESCRIPTOR_LIMIT = 4  # more: the connections to a model that are kept


@dataclass(frozen=True, slots=True)
class Extent:
    """How many posts a trial has at least, and for how many seconds the fault lasts."""

    posts: int
    hold: float

    @property
    def rate(self) -> float:
        """Posts a second: the fault begins early in the load and ends before it."""
        return min(HIGHEST_RATE, self.posts / (2 * self.hold))

    @property
    def answer_limit(self) -> float:
        """Seconds; a client that gets no answer asks the other instance, also during the fault."""
        return self.hold / 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trial found. `failed` has the reasons; `slowest` is in seconds, with all repeats."""

    fault: str
    posts: int
    failed: list[str]
    repeats: int
    slowest: float
    lost: int
    doubled: int
    unacknowledged: int
    before: Usage
    after: Usage
    proof: str
    injected: bool

    def problems(self) -> list[str]:
        """What is wrong."""
        growth = self.after.memory - self.before.memory
        leaked = self.after.descriptors - self.before.descriptors
        found = {
            f"{len(self.failed)} posts failed: {self.failed[:3]}": self.failed,
            f"{self.lost} acknowledged posts are lost": self.lost,
            f"{self.doubled} posts are doubled": self.doubled,
            f"the fault did not happen, {self.proof}": not self.injected,
            f"memory grew by {growth:.1f} MB": growth > MEMORY_LIMIT,
            f"{leaked} descriptors are left open": leaked > DESCRIPTOR_LIMIT,
        }
        return [f"{self.fault}: {problem}" for problem, is_so in found.items() if is_so]


def warm_up(deployment: Deployment) -> None:
    """Let the instances import and allocate what requests need."""
    idle = deployment.usage()
    Load(deployment.ports, WARM_UP, HIGHEST_RATE, CLIENTS).run()
    deployment.settled(idle)


def run(fault: Fault, stage: Stage, extent: Extent) -> Outcome:
    """Inject the fault while clients post."""
    deployment = stage.deployment
    before = deployment.usage()
    fault.prepare()
    over = threading.Event()
    load = Load(deployment.ports, extent.posts, extent.rate, CLIENTS, extent.answer_limit, over)
    sending = threading.Thread(target=load.run, daemon=True)
    sending.start()
    try:
        time.sleep(extent.posts / extent.rate * HEAD_START)
        proof, injected = fault.inject(extent.hold), True
    except NotInjected as exc:
        proof, injected = str(exc), False
    finally:
        over.set()
    sending.join()
    return _outcome(fault.name, load, before, stage, proof, injected=injected)


def _outcome(
    name: str, load: Load, before: Usage, stage: Stage, proof: str, *, injected: bool
) -> Outcome:
    after = stage.deployment.settled(before)
    acknowledged = {one for messages in load.acknowledged.values() for one in messages}
    rows = (stage.stored or stage.deployment.stored)(load.acknowledged.keys())
    return Outcome(
        fault=name,
        posts=len(acknowledged) + len(load.failed),
        failed=load.failed,
        repeats=load.repeats,
        slowest=load.slowest,
        lost=len(acknowledged - rows.keys()),
        doubled=sum(count > 1 for count in rows.values()),
        unacknowledged=len(rows.keys() - acknowledged),
        before=before,
        after=after,
        proof=proof,
        injected=injected,
    )
