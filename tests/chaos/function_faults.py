"""Faults of the function's processes."""

import resource
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.chaos.deployment import Deployment, deployed, server
from tests.chaos.fault import Stage, prove, stage
from tests.chaos.server_faults import TERMINATE


def kill(deployment: Deployment, hold: float) -> str:
    """One instance after the other, and each is started again after a while."""
    codes = []
    for number, instance in enumerate(deployment.instances.copy()):
        instance.process.send_signal(signal.SIGKILL)
        codes.append(instance.process.wait(30))
        time.sleep(hold / 2)
        deployment.start(number)
    return prove(set(codes) == {-signal.SIGKILL}, f"they ended with {codes}")


def terminate(deployment: Deployment, hold: float) -> str:
    """As a platform replaces its instances."""
    codes = []
    for number, instance in enumerate(deployment.instances.copy()):
        codes.append(instance.terminate())
        time.sleep(hold / 2)
        deployment.start(number)
    return prove(set(codes) == {0}, f"they ended with {codes}")


def freeze(deployment: Deployment, hold: float) -> str:
    process = psutil.Process(deployment.instances[0].process.pid)
    process.suspend()
    time.sleep(hold)
    status = process.status()
    process.resume()
    return prove(status == psutil.STATUS_STOPPED, f"one was {status}")


def exhaust_descriptors(deployment: Deployment, hold: float) -> str:
    """Leave no descriptor for new connections, neither from clients nor to PostgreSQL."""
    before = len(deployment.reasons())
    processes = [psutil.Process(one.process.pid) for one in deployment.instances]
    _, most = processes[0].rlimit(resource.RLIMIT_NOFILE)
    for process in processes:
        process.rlimit(resource.RLIMIT_NOFILE, (1, most))
    deployment.run(TERMINATE)
    time.sleep(hold)
    for process in processes:
        process.rlimit(resource.RLIMIT_NOFILE, (most, most))
    found = [one for one in deployment.reasons()[before:] if "Too many open files" in one]
    return prove(found, f"the instances logged {found[:1]}")


FAULTS: Mapping[str, Callable[[Deployment, float], str]] = {
    "function: kill -9": kill,
    "function: SIGTERM": terminate,
    "function: SIGSTOP": freeze,
    "function: out of descriptors": exhaust_descriptors,
}


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    with server() as postgres, deployed(postgres, folder) as deployment:
        yield stage(deployment, FAULTS)
