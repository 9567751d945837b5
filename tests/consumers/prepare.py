"""Downloads what `make test-consumers` needs, once: `python -m tests.consumers.prepare`."""

import sys
from pathlib import Path

from dev.kafka.__main__ import main as prepare_kafka
from tests.contracts.prepare import prepare

if __name__ == "__main__":
    sys.exit(prepare_kafka() or prepare("consumers", Path(__file__).with_name("js")))
