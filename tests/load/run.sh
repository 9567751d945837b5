#!/bin/sh
# Usage: [URL=http://...] tests/load/run.sh [ARGUMENT OF `k6 run` ...]
# Runs k6 from the PATH, else the one that dev/tools.py built, else its container.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
version=$(awk '$1 == "k6" {print $3}' "$here/../../requirements/tools.txt")
built=${XDG_CACHE_HOME:-$HOME/.cache}/mentor-function/tools/k6-$version

for k6 in k6 "$built"; do
    if command -v "$k6" >/dev/null; then
        exec "$k6" run --no-usage-report "$@" "$here/feedback.js"
    fi
done

if ! command -v docker >/dev/null; then
    echo "This takes k6 (https://grafana.com/docs/k6/latest/set-up/install-k6/), docker, or Go and" \
        "\`python -m dev.tools k6\`." >&2
    exit 1
fi
passed_on=$(env | sed -nE 's/^(URL|P95|P99|K6_[A-Z0-9_]*)=.*/--env \1/p')
# shellcheck disable=SC2086 # one word per option, on purpose
exec docker run --rm --network host $passed_on --volume "$here/feedback.js:/feedback.js:ro" \
    "grafana/k6:${version#v}" run --no-usage-report "$@" /feedback.js
