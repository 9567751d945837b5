"""Runs atheris on one target: `python -m tests.fuzz.explore TARGET [FILE or option of libFuzzer]`.

A FILE is tried alone, which repeats a failure. https://llvm.org/docs/LibFuzzer.html#options
"""

import sys

import atheris

with atheris.instrument_imports(include=["function"]):
    from tests.fuzz.parsers import TARGETS


def main() -> None:
    """Never return: libFuzzer exits."""
    program, name, *options = sys.argv
    atheris.Setup([program, *options], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
