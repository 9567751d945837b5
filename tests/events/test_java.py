"""Java starts wherever the clone is."""

import os
import subprocess
from pathlib import Path

from tests.events.follower import PATIENCE
from tests.instance import ROOT

START = "from pathlib import Path; from dev.events import java; java.start(Path())"


def test_path_beyond_ascii(tmp_path: Path) -> None:
    """A clone below a name such as Özgür works in the locale C, which containers often have."""
    clone = tmp_path / "Özgür"
    clone.symlink_to(ROOT)
    done = subprocess.run(
        [clone / ".venv-events/bin/python", "-c", START],
        cwd=ROOT,
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
