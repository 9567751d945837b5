"""Downloads what `make test-clients` needs, once: `python -m tests.clients.prepare`."""

import sys
from pathlib import Path

from tests.contracts.prepare import prepare

if __name__ == "__main__":
    sys.exit(prepare("clients", Path(__file__).with_name("js")))
