#!/bin/sh
# `make clean`: removes everything that the targets made, unless dev/clean.py objects.
set -eu

for python in .venv/bin/python .venv-run/bin/python .venv-events/bin/python python3; do
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    "$python" -m dev.clean
    break
done

for path in .data build .venv* tests/*/js/node_modules tests/contracts/node_modules .coverage* .hypothesis .schemathesis .*_cache; do
    [ ! -e "$path" ] || echo "Removing $path ..."
    rm -rf "$path"
done
find . -name .git -prune -o -name __pycache__ -prune -exec rm -rf {} +
echo "Everything that make made here is removed. The caches in your home folder and Docker's data are kept."
