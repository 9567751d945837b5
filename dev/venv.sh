#!/bin/sh
# Usage: dev/venv.sh FOLDER LOCK STAMP
# Makes the virtual environment FOLDER with what LOCK lists and the function itself, then STAMP.
# PYTHON names the interpreter; by default it is the first on the PATH that runs and is new enough.
set -eu
folder=$1 lock=$2 stamp=$3
log=$folder.log

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

new_enough() { # a version manager's shim may exist and yet not run
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        if new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
}

failed() {
    fail "$(tail -n 40 "$log")" "" \
        "Setting up $folder failed, see above or all of it in $log. The command was:" "    $*"
}

quietly() { # what a command says is shown only if it fails
    "$@" >"$log" 2>&1 || failed "$@"
}

naming_downloads() { # as quietly, but with pip's "Downloading NAME (SIZE)" as they begin, if in MB
    { "$@" 2>&1 || echo "exit code $?"; } | tee "$log" | while IFS= read -r line; do
        case $line in *"Downloading "*" MB)")
            line=${line#*Downloading }
            echo "  downloading ${line##*/} ..." ;;
        esac
    done
    case $(tail -n 1 "$log") in "exit code "*) failed "$@" ;; esac
}

python=$(find_python)
[ -n "$python" ] || fail "${PYTHON:-Python}: not a Python 3.11 or later that runs. Install one, or name it:" \
    "    make run PYTHON=/path/to/python3.11"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python can't make virtual environments. On Debian and Ubuntu this adds what is missing:" \
        "    apt install python$version-venv"

echo "Setting up $folder with Python $version, once (a minute or so) ..."
quietly "$python" -m venv --clear "$folder"
echo "  installing what $lock lists ..."
naming_downloads "$folder/bin/python" -m pip install --disable-pip-version-check --require-hashes -r "$lock"
quietly "$folder/bin/python" -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
rm "$log"
touch "$stamp"
