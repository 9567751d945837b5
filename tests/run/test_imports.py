"""`make lint` refuses an import across the layers."""

import subprocess
import sys
from pathlib import Path

import pytest

LAYERS = "Each module of the function has a layer, and imports only from below"
DOMAIN = "The domain imports the standard library alone"
DEVELOPMENT = "The function imports nothing that only development needs"
TESTS = "Only tests import tests, and dev imports neither measurements nor tests"


def lint_imports(clone: Path) -> "subprocess.CompletedProcess[str]":
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache"], cwd=clone, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("function/store/table.py", "import function.llm.model", LAYERS),
        ("function/llm/model.py", "import function.store", LAYERS),
        ("function/errors.py", "import function.http.handler", LAYERS),
        ("function/service.py", "import function.http.messages", LAYERS),
        ("function/domain.py", "import pydantic_core", DOMAIN),
        ("function/new.py", "", LAYERS),
        ("function/logs.py", "import dev.supervisor", DEVELOPMENT),
        ("dev/supervisor.py", "import tests.instance", TESTS),
        ("function/store/table.py", "import pg8000.native", "One module touches each library"),
    ],
)
def test_an_import_across_the_layers_is_refused(
    clone: Path, module: str, line: str, contract: str
) -> None:
    with (clone / module).open("a") as file:
        file.write(f"{line}\n")
    done = lint_imports(clone)
    assert done.returncode == 1
    assert f"{contract} BROKEN" in " ".join(done.stdout.split())


def test_the_clone_keeps_its_own_rules(clone: Path) -> None:
    done = lint_imports(clone)
    assert done.returncode == 0, done.stdout
