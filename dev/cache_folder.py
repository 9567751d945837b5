"""The user's folder for what is downloaded or built once for all clones."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder, made if need be: `mentor-function` in XDG_CACHE_HOME or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "mentor-function"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
