"""Images are pinned by digest, all or none."""

import re
import shutil
from pathlib import Path

import pytest

from dev import images
from tests.instance import ROOT

DIGEST = "sha256:" + "0123456789abcdef" * 4
DOCKER = """#!/bin/sh
case "$4" in *%s*) echo "manifest unknown" >&2; exit 1 ;; esac
echo "$4" >> "%s"
echo '{"schemaVersion": 2, "digest": "%s", "size": 1}'
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The files that name images, as they are."""
    for name in images.PLACES:
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def fake_docker(clone: Path, monkeypatch: pytest.MonkeyPatch, *, unknown: str = "nothing") -> Path:
    """Let `docker buildx imagetools inspect` answer; return the list of what it was asked."""
    program, asked = clone / "bin/docker", clone / "asked"
    program.parent.mkdir(exist_ok=True)
    program.write_text(DOCKER % (unknown, asked, DIGEST))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return asked


def texts(clone: Path) -> list[str]:
    return [(clone / name).read_text() for name in images.PLACES]


def test_pinned(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each image with a tag gets its digest, and the files are otherwise the same."""
    asked = fake_docker(clone, monkeypatch)
    assert images.main(clone) == 0

    dockerfile, compose = texts(clone)
    [base] = re.findall(r"^ARG BASE=(\S+)$", dockerfile, re.MULTILINE)
    assert re.fullmatch(rf"docker\.io/library/python:[\w.-]+@{DIGEST}", base)
    named = re.findall(r"^ +image: (\S+:\S+)$", compose, re.MULTILINE)
    assert len(named) > 5
    assert all(re.fullmatch(rf"[\w./-]+:[\w.-]+@{DIGEST}", image) for image in named)
    assert len(asked.read_text().splitlines()) == 1 + len(named)
    assert "@" not in asked.read_text()
    without = re.compile("@sha256:[0-9a-f]{64}")
    assert [without.sub("", text) for text in texts(clone)] == [
        without.sub("", text) for text in texts(ROOT)
    ]


def test_again(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rerun replaces digests."""
    fake_docker(clone, monkeypatch)
    assert images.main(clone) == 0
    first = texts(clone)
    monkeypatch.setattr(f"{__name__}.DIGEST", DIGEST.replace("0", "f"))
    fake_docker(clone, monkeypatch)
    assert images.main(clone) == 0
    assert texts(clone) == [text.replace("0123456789", "f123456789") for text in first]


def test_unknown(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If one image can't be looked up, no file changes."""
    fake_docker(clone, monkeypatch, unknown="debezium")
    assert images.main(clone) == 1
    assert texts(clone) == texts(ROOT)
    assert "manifest unknown" in capsys.readouterr().err
