"""A plugin of pytest-xdist: which tests run in the same process."""

import re

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.instance import HOSTS

OF_HOST = re.compile(rf"tests/hosts/.*\b({'|'.join(HOSTS)})\b")


class Scheduler(LoadScopeScheduling):  # type: ignore[misc] # without types
    """Tests of a host share its instance, and other tests the fixtures of their file.

    Marks can't say so: xdist 3.8 does not find its groups with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        found = OF_HOST.match(nodeid)
        return found[1] if found else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduler:
    return Scheduler(config, log)
