"""The documents name files, links and commands that exist."""

import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import options as bench_options
from eval import options as eval_options
from function.settings import load
from tests.instance import ROOT

DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
)
# By this module, and by tests/hosts/test_documented_requests.py.
TESTED = {"make", "curl"}
# They need Docker, a cluster or a download. CI runs compose.yaml and reads the event from Kafka.
KAFKA = {"kafka-console-consumer.sh", "kafka-consumer-groups.sh"}
DUMP = {"pg_dump", "pg_dumpall"}  # tests/events/test_major_upgrade.py runs them
NEEDS_MORE = {"docker", "func", "kubectl", "pip", "psql", *DUMP, *KAFKA}


def read(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives to the headings."""
    prose = re.sub(r"^ *```.*?^ *```", "", read(document), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def is_broken(document: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    file = document.parent / path if path else document
    return not file.exists() or bool(anchor and anchor not in anchors(file))


def test_each_link_leads_to_a_file_and_a_heading() -> None:
    links = [
        (document, link)
        for document in DOCUMENTS
        for link in re.findall(r"\]\(([^)\s]+)\)", read(document))
        if "://" not in link
    ]
    broken = [f"{one.relative_to(ROOT)}: {link}" for one, link in links if is_broken(one, link)]
    assert len(links) > 100
    assert broken == []


def shell_lines(document: Path) -> Iterator[str]:
    """The lines that start a command in the document's blocks of shell."""
    for block in re.findall(r"^ *```sh\n(.*?)^ *```", read(document), re.DOTALL | re.MULTILINE):
        yield from re.findall(r"^[\w.].*", textwrap.dedent(block), re.MULTILINE)


def make_commands() -> Iterator[list[str]]:
    """The arguments of each `make` command, in blocks of shell and in the prose."""
    for document in DOCUMENTS:
        yield from filter(None, map(arguments, shell_lines(document)))
        yield from map(arguments, re.findall(r"`(make [^`]+)`", read(document)))


def arguments(line: str) -> list[str]:
    words = shlex.split(line, comments=True) if line.strip().startswith("make ") else []
    return words[1:]


def test_each_program_in_the_guides_is_one_that_tests_know() -> None:
    guides = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    lines = [line for guide in guides for line in shell_lines(guide)]
    programs = {line.split()[0] for line in lines if not re.match(r"[A-Z_]+=", line)}
    assert programs == TESTED | NEEDS_MORE


def variables_of(target: str) -> list[dict[str, str]]:
    """The variables that documented commands give to this target."""
    commands = [words for words in make_commands() if target in words]
    return [dict(word.split("=", 1) for word in words if "=" in word) for words in commands]


def test_each_make_command_has_a_target() -> None:
    makefile = read(ROOT / "Makefile")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = {word for words in make_commands() for word in words if "=" not in word}
    assert len(named) > 20
    assert named - targets == set()


def test_make_run_is_shown_with_valid_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key.txt").touch()
    monkeypatch.chdir(tmp_path)
    models = [given for given in variables_of("run") if "LLM_PROVIDER" in given]
    settings = [load({"DATABASE_URL": "postgresql://u@h/d", **given}) for given in models]
    assert {one.llm and one.llm.provider for one in settings} == {"openai", "anthropic"}
    assert [one.unused for one in settings] == [(), ()]


def test_make_bench_and_make_eval_are_shown_with_valid_options() -> None:
    for given in variables_of("bench"):
        bench_options.parse(options_in(given))
    compared = [eval_options.parse(options_in(given), {}).compare for given in variables_of("eval")]
    assert any(compared)


def options_in(given: dict[str, str]) -> list[str]:
    text = given.get("ARGS", "").replace("--help", "")
    return shlex.split(text.replace("...", "1"))


def test_each_path_in_the_architecture_and_the_decisions_exists() -> None:
    guides = [ROOT / "docs/architecture.md", *(ROOT / "docs/decisions").glob("*.md")]
    paths = {path for guide in guides for path in re.findall(r"`([a-z_]+/[\w./-]*)`", read(guide))}
    assert len(paths) > 50
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_each_alert_is_described() -> None:
    guide = read(ROOT / "docs/observability.md")
    rules = "".join(map(read, sorted(ROOT.glob("deploy/observe/alerts/*.yml"))))
    alerts = re.findall(r"- alert: (\w+)", rules)
    assert len(alerts) > 20
    assert [alert for alert in alerts if f"`{alert}`" not in guide] == []


def test_the_readme_has_at_most_120_lines() -> None:
    assert len(read(ROOT / "README.md").splitlines()) <= 120
