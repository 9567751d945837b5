#!/bin/sh
# Usage: dev/venv.sh FOLDER LOCK STAMP
# Makes the virtual environment FOLDER hold exactly what LOCK lists, then copies LOCK to STAMP.
# PYTHON names the interpreter; an environment of another one is made again. The default is the first
# one on the PATH that runs and is new enough.
#
# Nothing here resolves a dependency: a release that appears after the lock was made changes nothing.
# pip installs uv from a lock of one line, and uv installs the rest. Where uv can't be installed, pip
# installs everything, with --no-deps: https://github.com/pypa/pip/issues/9644
set -eu
folder=$1 lock=$2 stamp=$3
tools=.venv-uv
log=$folder.log

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

fail_with_log() {
    fail "$(tail -n 40 "$log")" "" \
        "Setting up $folder failed. Is PyPI reachable from here? The whole output is in $log." \
        "The step was: $*"
}

logged() {
    "$@" >>"$log" 2>&1
}

must() { # the output is shown only if the command fails
    logged "$@" || fail_with_log "$@"
}

is_new_enough() { # a version manager's shim may exist and not run
    [ "$("$1" -c 'import sys; print(sys.version_info >= (3, 11))' 2>/dev/null)" = True ]
}

find_python() {
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if is_new_enough "$candidate"; then
            python=$candidate
            return
        fi
    done
    fail "No Python 3.11 or later was found on the PATH. Install one, or name it:" \
        "    make run PYTHON=/path/to/python3.11"
}

check_named_python() {
    error=$("$python" -c '' 2>&1) || fail "PYTHON=$python does not start:" "$error"
    is_new_enough "$python" || fail "PYTHON=$python is $("$python" --version 2>&1). Name a Python 3.11 or later."
}

is_interpreter_of() { # FOLDER: whether its environment was made with $python
    identify='import sys; print(sys.base_exec_prefix, sys.version)'
    [ "$("$python" -c "$identify")" = "$("$1/bin/python" -c "$identify" 2>&1)" ]
}

make_environment() { # FOLDER [OPTION ...]
    must "$python" -m venv --clear "$@"
}

# Two targets may set up at once. The shell holds the lock until it exits.
wait_for_other_setup() {
    exec 9>.venv-setup.lock
    "$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)' 2>/dev/null && return
    echo "Waiting for another setup in this folder ..."
    "$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
}

report_progress() { # until this script ends or is killed
    seconds=0
    while sleep 4 >/dev/null 2>&1 9>&- && kill -0 $$ 2>/dev/null; do
        seconds=$((seconds + 4))
        echo "  still working, $seconds s ..."
    done
}

pip() { # PYTHON ARGUMENT ...: pip installs into the environment of PYTHON
    target=$1
    shift
    PIP_USER=0 "$tools/bin/python" -m pip --python "$target" --disable-pip-version-check install \
        --no-deps --only-binary :all: --require-hashes "$@"
}

prepare_tools() { # pip, and uv if it can be installed
    cmp -s requirements/uv.txt "$tools/uv.txt" && [ -x "$tools/bin/python" ] && return
    make_environment "$tools"
    if logged pip "$tools/bin/python" -r requirements/uv.txt; then
        cp requirements/uv.txt "$tools/"
    elif grep -q 'DO NOT MATCH THE HASHES' "$log"; then
        fail_with_log pip install -r requirements/uv.txt
    else
        echo "  uv can't be installed here, so pip installs everything. This takes longer."
    fi
}

install() {
    if [ -x "$tools/bin/uv" ]; then
        configure_uv
        logged "$tools/bin/uv" pip sync --python "$folder/bin/python" --no-build --require-hashes "$lock" && return
        ! grep -qi 'hash mismatch' "$log" || fail_with_log uv pip sync "$lock"
        echo "  uv failed, so pip installs everything. This takes longer."
    fi
    must pip "$folder/bin/python" -r "$lock" # with the same hashes
}

pip_setting() { # NAME
    "$tools/bin/python" -m pip config get "global.$1" 2>/dev/null || true
}

configure_uv() { # to use pip's mirror and certificates, and no cache that it can't write to
    index=${PIP_INDEX_URL:-$(pip_setting index-url)}
    [ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
    certificates=${PIP_CERT:-$(pip_setting cert)}
    [ -z "$certificates" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-$certificates}"
    cache=${UV_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME-}/.cache}/uv}
    { mkdir -p "$cache" && [ -w "$cache" ]; } 2>/dev/null || export UV_NO_CACHE=1
}

if [ -n "${PYTHON-}" ]; then
    python=$PYTHON
    check_named_python
else
    find_python
fi
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python can't make virtual environments. On Debian and Ubuntu, install the missing part:" \
        "    apt install python$version-venv"

wait_for_other_setup
if [ -x "$folder/bin/python" ] && cmp -s "$lock" "$stamp" && { [ -z "${PYTHON-}" ] || is_interpreter_of "$folder"; }; then
    touch "$stamp"
    exit
fi
echo "Setting up $folder with Python $version: $(grep -c '^[A-Za-z0-9]' "$lock") packages."
echo "  This takes a few seconds on a fast network, and a minute or more on a slow one ..."
: >"$log"
report_progress &
trap 'kill $! 2>/dev/null' EXIT
trap 'exit 130' INT TERM HUP
prepare_tools
make_environment "$folder" --without-pip
install
rm "$log"
cp "$lock" "$stamp"
