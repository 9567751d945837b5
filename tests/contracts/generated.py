"""Builds clients that generators make from the description."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dev.kafka import jars
from tests.contracts.programs import program, run
from tests.instance import ROOT

PROGRAMS = Path(__file__).with_name("clients")
# It has the packages that the generated clients for Python import.
PYTHON = ROOT / ".venv-contracts/bin/python"

# Sends feedback to a URL with an Idempotency-Key; returns the answer as the client decodes it.
Client = Callable[[str, str, object], Any]


def go(description: Path, folder: Path) -> Client:
    ids = ["--git-host=example.org", "--git-user-id=mathtrail", "--git-repo-id=mentor"]
    _openapi_generator("go", description, folder, *ids)
    (folder / "ask").mkdir()
    (folder / "ask/main.go").write_text((PROGRAMS / "ask.go").read_text())
    offline = {"GOFLAGS": "-mod=mod", "GOPROXY": "off"}  # it imports the standard library only
    run(program("go"), "vet", ".", "./ask", cwd=folder, env=offline)
    run(program("go"), "build", "-o", "program", "./ask", cwd=folder, env=offline)
    return _client(folder, folder / "program")


def java(description: Path, folder: Path) -> Client:
    _openapi_generator("java", description, folder)
    libraries = [str(jar) for jar in jars.fetch("contracts") if not _is_generator(jar)]
    class_path = os.pathsep.join(libraries)
    sources = (folder / "src/main/java").rglob("*.java")
    options = ["-nowarn", "-proc:none", "-d", "classes", "-cp", class_path]
    run(program("javac"), *options, PROGRAMS / "Ask.java", *sources, cwd=folder)
    return _client(folder, program("java"), "-cp", f"classes{os.pathsep}{class_path}", "Ask")


def python(description: Path, folder: Path) -> Client:
    _openapi_generator("python", description, folder)
    return _client(folder, PYTHON, PROGRAMS / "ask_openapi_generator.py")


def openapi_python_client(description: Path, folder: Path) -> Client:
    options = [f"--path={description}", f"--output-path={folder}", "--overwrite"]
    path = f"{PYTHON.parent}{os.pathsep}{os.environ['PATH']}"  # it runs ruff
    generator = PYTHON.with_name("openapi-python-client")
    run(generator, "generate", "--fail-on-warning", *options, cwd=folder, env={"PATH": path})
    return _client(folder, PYTHON, PROGRAMS / "ask_openapi_python_client.py")


def _openapi_generator(language: str, description: Path, folder: Path, *options: str) -> None:
    (generator,) = filter(_is_generator, jars.fetch("contracts"))
    arguments: list[str | Path] = ["-i", description, "-g", language, "-o", folder]
    run(program("java"), "-jar", generator, "generate", *arguments, *options, cwd=folder)


def _is_generator(jar: Path) -> bool:
    return jar.name.startswith("openapi-generator-cli-")


def _client(folder: Path, *command: str | Path) -> Client:
    def ask(url: str, key: str, feedback: object) -> Any:
        arguments = [url, key, json.dumps(feedback)]
        return json.loads(run(*command, *arguments, cwd=folder, env={"PYTHONPATH": str(folder)}))

    return ask
