"""`python -m dev.openapi` (`make openapi`): write function/http/openapi.json."""

from dev.openapi.document import document
from dev.paths import CLONE

FILE = CLONE / "function/http/openapi.json"

if __name__ == "__main__":
    FILE.write_bytes(document())
