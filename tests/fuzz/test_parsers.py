"""Coverage-guided bytes for each parser, by atheris; it begins with real inputs."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz.conftest import Amount
from tests.fuzz.parsers import TARGETS
from tests.fuzz.seeds import SEEDS
from tests.instance import ROOT

pytestmark = [
    pytest.mark.fuzz,
    pytest.mark.timeout(0),
    pytest.mark.skipif(not find_spec("atheris"), reason="atheris has wheels for Linux only"),
]
SLOWEST = 5  # seconds for one input
MEMORY = 1024  # MB


@pytest.mark.parametrize("target", TARGETS)
def test_parser(target: str, amount: Amount, tmp_path: Path) -> None:
    """No input raises an error that is not the parser's own, hangs, or takes all memory."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(SEEDS[target]):
        (corpus / str(number)).write_bytes(seed)
    kept = ROOT / "build" / "fuzz"
    kept.mkdir(parents=True, exist_ok=True)
    options = [
        *(f"-runs={amount.inputs}", f"-seed={amount.seed}", f"-timeout={SLOWEST}"),
        *(f"-rss_limit_mb={MEMORY}", "-max_len=4096", f"-artifact_prefix={kept}/{target}-"),
    ]

    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.explore", target, *options, corpus],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )

    output = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
    found = re.search(r"Test unit written to (\S+)", output)
    assert done.returncode == 0, (
        f"{output[-4000:]}\nThe bytes are {Path(found[1]).read_bytes() if found else None!r}.\n"
        f"Repeat it: .venv-fuzz/bin/python -m tests.fuzz.explore {target} {found and found[1]}"
    )
    print(f"\n{target}: {' '.join(re.findall('DONE.*', output))}")
