"""What editors and git are told about this repository holds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from editorconfig import get_properties

from tests.instance import ROOT

MADE_ELSEWHERE = ("vendored", "LICENSE", ".png")


def files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this is no clone")
    names = [name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]
    return [name for name in names if not any(part in name for part in MADE_ELSEWHERE)]


def breaches(name: str) -> list[str]:
    rules = get_properties(str(ROOT / name))
    text = (ROOT / name).read_bytes().decode(rules["charset"])
    lines = text.split("\n")
    indents = {line[: len(line) - len(line.lstrip())] for line in lines}
    found = {
        "end_of_line": "\r" in text,
        "insert_final_newline": bool(text) and not text.endswith("\n"),
        "trim_trailing_whitespace": any(line != line.rstrip() for line in lines),
        "indent_style": rules["indent_style"] == "space" and any("\t" in it for it in indents),
    }
    return [f"{name}: {rule}" for rule, is_broken in found.items() if is_broken]


def test_all_files_keep_to_the_editorconfig() -> None:
    assert [breach for name in files() for breach in breaches(name)] == []


def test_the_hooks_of_pre_commit_use_only_what_the_lock_lists() -> None:
    program = Path(sys.executable).with_name("pre-commit")
    file = ROOT / ".pre-commit-config.yaml"
    subprocess.run([program, "validate-config", file], check=True, env=dict(os.environ))
    repositories = yaml.safe_load(file.read_text())["repos"]
    assert {repository["repo"] for repository in repositories} == {"local"}
    assert {hook["language"] for one in repositories for hook in one["hooks"]} == {"system"}
