"""The clock of all programs jumps, by libfaketime: https://github.com/wolfcw/libfaketime"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest.mock import patch

from dev import paths
from dev.postgres import EmbeddedPostgres
from tests.chaos.deployment import Deployment, deployed, server
from tests.chaos.fault import Fault, LeftOut, Stage, prove

LIBRARY = "usr/lib/*/faketime/libfaketimeMT.so.1"
JUMPS = {"clock: one hour back": ("-1h", -3600), "clock: one day ahead": ("+1d", 86400)}
NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"


def jump(file: Path, offset: str, seconds: int, deployment: Deployment, hold: float) -> str:
    """Let the clock jump, and come back."""
    file.write_text(offset)
    time.sleep(hold)
    [[now]] = deployment.run(NOW)
    shift = now - time.time()
    file.write_text("+0")
    logged = {event["time"][:13] for one in deployment.instances for event in one.events()}
    there = time.strftime("%Y-%m-%dT%H", time.gmtime(now))
    return prove(
        abs(shift - seconds) < 60 and there in logged,
        f"PostgreSQL and the log were {shift:+.0f} s off",
    )


@contextmanager
def staged(_folder: Path) -> Iterator[Stage]:
    libraries = sorted(Path("/").glob(LIBRARY))
    if not libraries:
        raise LeftOut("libfaketime is not here: apt-get install faketime")
    with paths.temporary_folder("mentor-clock-") as folder:  # where PostgreSQL can read
        file = folder / "clock"
        file.write_text("+0")
        environ = {
            "LD_PRELOAD": str(libraries[0]),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        with _started(environ) as postgres, deployed(postgres, folder, **environ) as deployment:
            faults = [
                Fault(name, partial(jump, file, *offset, deployment))
                for name, offset in JUMPS.items()
            ]
            yield Stage(deployment, faults)


@contextmanager
def _started(environ: Mapping[str, str]) -> Iterator[EmbeddedPostgres]:
    """PostgreSQL takes over the variables of this process, but only when it is started."""
    with server() as postgres:
        with patch.dict("os.environ", environ):
            postgres.restart()
        yield postgres
