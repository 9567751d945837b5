"""Pins the images of the Dockerfile and of compose.yaml by digest: `python -m dev.images`.

A digest is what its tag means now. So a rerun takes rebuilds of the same version, which have fixes
of the distribution. It needs docker with buildx, and the network.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

from dev.paths import CLONE

# Where images are named, with a tag and maybe a digest; an image that is built here has no tag.
PLACES = {
    "Dockerfile": r"(?<=^ARG BASE=)",
    "compose.yaml": r"(?<= image: )",
}
IMAGE = r"(?P<tagged>[\w./-]+:[\w.-]+)(?:@sha256:[0-9a-f]{64})?$"


def main(folder: Path = CLONE) -> int:
    """Pin all images, or none if one can't be looked up."""
    try:
        pinned = {folder / name: pin(folder / name, place) for name, place in PLACES.items()}
    except subprocess.CalledProcessError as exc:
        print(exc.stderr, file=sys.stderr)
        return 1
    for path, text in pinned.items():
        path.write_text(text, encoding="utf-8")
    return 0


def pin(path: Path, place: str) -> str:
    """Return the text of the file with digests."""
    text = path.read_text(encoding="utf-8")
    return re.sub(
        place + IMAGE,
        lambda image: f"{image['tagged']}@{digest(image['tagged'])}",
        text,
        flags=re.MULTILINE,
    )


def digest(image: str) -> str:
    """Look up the digest of the image for all architectures."""
    command = ["docker", "buildx", "imagetools", "inspect", image, "--format", "{{json .Manifest}}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return str(json.loads(done.stdout)["digest"])


if __name__ == "__main__":
    sys.exit(main())
