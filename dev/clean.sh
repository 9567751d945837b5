#!/bin/sh
# `make clean`: removes all that the targets made, unless dev/clean.py has something against it.
set -eu

for python in .venv-events/bin/python .venv/bin/python python3; do
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    "$python" -m dev.clean
    break
done

rm -rf .data "/var/tmp/mentor-function$(pwd -P | tr / -)" # see dev/places.py
rm -rf build .venv .venv-func .venv-events .venv-contracts tests/contracts/node_modules .venv*.log .coverage* .hypothesis .schemathesis .*_cache
find . -name __pycache__ -prune -exec rm -rf {} +
