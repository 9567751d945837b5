"""Makes the pictures of docs/observability.md: `python -m tests.observe.pictures service chain`.

Each takes some minutes, and needs chromium and pngquant beside what `make test-observe` needs.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from dev.observe import programs
from dev.observe.load import loading
from dev.observe.page import ROW
from dev.observe.query import Prometheus
from dev.observe.web import DASHBOARDS, dashboards
from dev.ports import free_port
from tests.events.stack import running_stack
from tests.instance import ROOT
from tests.observe.conftest import watching, with_feedback
from tests.observe.service import faults, observing, ordinary

SECONDS = 240.0  # of load
WIDTH = 1400  # pixels
IMAGES = ROOT / "docs/images"


@contextmanager
def service(folder: Path) -> Iterator[Prometheus]:
    """The function after some minutes, with faults in the middle."""
    with observing(folder) as found, ExitStack() as stack:
        for function in found.scene.instances:
            stack.enter_context(loading(function.port))
        end = time.monotonic() + SECONDS
        faults_due = time.monotonic() + SECONDS / 2
        while time.monotonic() < end:
            for function in found.scene.instances:
                ordinary(function)
            if time.monotonic() > faults_due:
                faults(found.scene)
                faults_due = end
            time.sleep(1)
        yield found.prometheus


@contextmanager
def chain(folder: Path) -> Iterator[Prometheus]:
    """The chain after some minutes, with a Debezium that is away in the middle."""
    ports = {name: free_port() for name in ("postgres", "debezium", "collector")}
    with running_stack(folder, environ=programs.agent(ports["debezium"])) as stack:
        with_feedback(stack)
        with watching(stack, folder, ports) as found, loading(stack.function.port):
            time.sleep(SECONDS)
            with closing(Prometheus(found.api.url)) as prometheus:
                yield prometheus


def picture(name: str, page: str) -> None:
    """Take a picture of the whole page."""
    dashboard = json.loads((DASHBOARDS / f"{name}.json").read_text(encoding="utf-8"))
    at = [panel["gridPos"] for panel in dashboard["panels"]]
    height = max(one["y"] + one["h"] for one in at) * (ROW + 5) + 60
    file = IMAGES / f"{name}.png"
    chromium = ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars"]
    options = [f"--window-size={WIDTH},{height}", "--virtual-time-budget=20000"]
    subprocess.run([*chromium, *options, f"--screenshot={file}", page], check=True)
    subprocess.run(["pngquant", "--force", "--ext=.png", "--strip", "48", file], check=True)


def main() -> None:
    for name in sys.argv[1:]:
        run = {"service": service, "chain": chain}[name]
        with (
            tempfile.TemporaryDirectory() as folder,
            run(Path(folder)) as prometheus,
            dashboards(prometheus, SECONDS + 60) as pages,
        ):
            picture(name, f"{pages}/{name}")


if __name__ == "__main__":
    main()
