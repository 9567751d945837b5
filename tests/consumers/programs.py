"""The programs of docs/consumers.md and docs/events.md, each built with its language's tools."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from dev.kafka import jars
from dev.tools import go as run_go
from tests.contracts.programs import program, run
from tests.events.contract import GUIDE, ROOT, code_blocks

HERE = Path(__file__).parent
CONSUMERS = ROOT / "docs/consumers.md"

Command = list[str | Path]


def java(folder: Path) -> Command:
    class_path = os.pathsep.join(map(str, [*jars.fetch("consumers"), folder]))
    source = _write("java", folder / "PrintFeedbacks.java")
    run(program("javac"), "-nowarn", "-d", folder, "-cp", class_path, source, cwd=folder)
    options = ["-Xmx128m", "-XX:+UseSerialGC", "-cp", class_path]
    return [program("java"), *options, "PrintFeedbacks"]


def javascript(folder: Path) -> Command:
    (folder / "node_modules").symlink_to(HERE / "js/node_modules")
    return [program("node"), _write("js", folder / "consumer.mjs")]


def go(folder: Path) -> Command:
    _write("go", folder / "main.go")
    for name in ("go.mod", "go.sum"):
        shutil.copyfile(HERE / "go" / name, folder / name)
    run_go(folder, "build", "-o", "consumer")
    return [folder / "consumer"]


def python(folder: Path) -> Command:
    [code] = [code for code in code_blocks("python", GUIDE) if "import Consumer" in code]
    file = folder / "consumer.py"
    file.write_text(code, encoding="utf-8")
    return [sys.executable, file]


BUILDS: dict[str, Callable[[Path], Command]] = {
    "Java": java,
    "JavaScript": javascript,
    "Go": go,
    "Python": python,
}


def _write(language: str, file: Path) -> Path:
    """Write the program of this language, in a group of its own."""
    [code] = code_blocks(language, CONSUMERS)
    assert code.count('"print-feedbacks"') == 1
    file.write_text(code.replace("print-feedbacks", language), encoding="utf-8")
    return file
