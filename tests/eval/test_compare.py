"""The comparison of two runs, and the report of one."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from eval import compare, examples
from eval.failure import EvalFailure
from eval.report import render
from eval.run import Answer, Reading, Run, load, save
from tests.eval.tables import cells

LABELLED = examples.load()
COUNT = len(LABELLED.examples)


def answers(wrong: int) -> Sequence[Answer]:
    """Right answers, except the difficulty of the first `wrong` ones."""
    return [
        Answer(
            one.id,
            1.0,
            1,
            Reading(
                "no-such" if number < wrong else one.difficulty[0],
                one.sentiment[0],
                {one.topics[0]: 1.0},
                one.adjustment[0],
                one.concern[0],
            ),
            tokens_in=100,
            tokens_out=10,
        )
        for number, one in enumerate(LABELLED.examples)
    ]


def run(wrong: int) -> Run:
    return Run(
        provider="openai",
        model="model-a",
        by_rules=False,
        prompt_version="1",
        date="2026-02-16T10:12:45Z",
        set_sha256=LABELLED.sha256,
        answers=answers(wrong),
    )


def compared(before: int, now: int) -> str:
    return compare.render(run(before), run(now), LABELLED.examples, None)


def right(*wrong: int) -> list[str]:
    return [str(COUNT - number) for number in wrong]


def difficulties(before: int, now: int) -> list[str]:
    return cells(compared(before, now), "difficulty")[0][1:]


def test_significance() -> None:
    """Five lost answers may be chance; six are a significant change."""
    assert difficulties(0, 5) == [*right(0, 5), "0", "5", "0.062", "may be chance"]
    assert difficulties(0, 6) == [*right(0, 6), "0", "6", "0.031", "worse"]
    assert difficulties(6, 0) == [*right(6, 0), "6", "0", "0.031", "better"]


def test_changed_label() -> None:
    """Each changed label is shown."""
    [changed] = cells(compared(0, 1), "en-01")
    assert changed == ["en-01", "difficulty", "easy", "no-such", "easy", "lost"]


def test_same_run() -> None:
    """A run that is compared with itself is the same."""
    text = compared(3, 3)
    assert ["all of them", *right(3, 3), "0", "0", "1.000", "the same"] in cells(
        text, "all of them"
    )
    assert "No label has changed." in text


def test_other_set(tmp_path: Path) -> None:
    """A run of another set, or with missing answers, is refused."""
    file = tmp_path / "run.json"
    save(replace(run(0), set_sha256="another"), file)
    with pytest.raises(EvalFailure, match="another set"):
        load(file, LABELLED)
    save(replace(run(0), answers=answers(0)[1:]), file)
    with pytest.raises(EvalFailure, match="one answer to each"):
        load(file, LABELLED)


def test_report() -> None:
    """The report counts and lists the wrong labels."""
    text = render(run(3), LABELLED.examples, None)
    for metric in ("difficulty", "all of them"):
        assert cells(text, metric)[0][1] == f"{COUNT - 3} of {COUNT}"
    assert cells(text, "weight on accepted topics")[0][2] == "100%"
    assert cells(text, "tokens in") == [["tokens in", f"{COUNT * 100:,}"]]
    assert cells(text, "en-01")[0][:4] == ["en-01", "difficulty", "no-such", "easy"]
    assert "wrong labels: 3 (model-a, openai)" in text
    assert "fallbacks:" not in text


def test_concerns() -> None:
    """The report counts the dangers that were found, and the false alarms."""
    idioms = [one.id for one in LABELLED.examples if one.kind == "look-alike"]
    dangers = [one.id for one in LABELLED.examples if one.kind == "concern"]
    text = render(
        replace(run(0), answers=[_alarm(one, idioms[0], dangers[0]) for one in answers(0)]),
        LABELLED.examples,
        None,
    )
    found = f"{len(dangers) - 1} of {len(dangers)}"
    assert cells(text, "dangers found, of any kind")[0][1] == found
    assert cells(text, "false alarms at look-alikes")[0][1] == f"1 of {len(idioms)}"
    assert cells(text, "false alarms at other messages")[0][1].startswith("0 of ")


def _alarm(answer: Answer, false_alarm: str, miss: str) -> Answer:
    assert answer.reading
    concern = {false_alarm: "violence", miss: "none"}.get(answer.id, answer.reading.concern)
    return replace(answer, reading=replace(answer.reading, concern=concern))
