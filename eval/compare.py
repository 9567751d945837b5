"""Two runs side by side, and whether chance alone explains their differences."""

from collections.abc import Callable, Iterator, Sequence

from bench.output import table
from eval.examples import Example
from eval.report import accepted, said
from eval.run import Run
from eval.scores import METRICS, Judged, judge_all, mcnemar
from eval.spending import Prices, Spending, spending

LIMIT = 0.05  # of p

Pairs = Sequence[tuple[Judged, Judged]]


def render(old: Run, new: Run, examples: Sequence[Example], prices: Prices | None) -> str:
    """The differences between `old` and `new`, as text."""
    before, after = judge_all(examples, old.answers), judge_all(examples, new.answers)
    pairs = list(zip(before, after, strict=True))
    columns = [_column("before", old), _column("now", new)]
    parts = [
        f"Before: {_describe(old)}\nNow:    {_describe(new)}",
        _metrics(pairs, columns),
        _note(len(examples)),
        _spent(spending(old.answers, prices), spending(new.answers, prices), columns),
        _changes(pairs, columns),
    ]
    return "\n\n".join(parts)


def _describe(run: Run) -> str:
    return f"{run.name}; prompt {run.prompt_version}; {run.date}"


def _column(name: str, run: Run) -> str:
    return f"{name} ({run.name})" if run.by_rules else name


def _metrics(pairs: Pairs, columns: Sequence[str]) -> str:
    rows = [_row(metric, pairs, _right(metric)) for metric in METRICS]
    rows.append(_row("all of them", pairs, lambda one: one.all_right))
    return table(["right", *columns, "gained", "lost", "p", ""], rows)


def _right(metric: str) -> Callable[[Judged], bool]:
    return lambda one: one.right[metric]


def _row(name: str, pairs: Pairs, right: Callable[[Judged], bool]) -> list[str]:
    both = [(right(before), right(after)) for before, after in pairs]
    gained, lost = both.count((False, True)), both.count((True, False))
    p = mcnemar(gained, lost)
    counts = [sum(before for before, _ in both), sum(after for _, after in both), gained, lost]
    return [name, *map(str, counts), f"{p:.3f}", _verdict(gained, lost, p)]


def _verdict(gained: int, lost: int, p: float) -> str:
    if p >= LIMIT:
        return "may be chance" if gained or lost else "the same"
    return "better" if gained > lost else "worse"


def _note(count: int) -> str:
    return f"""\
p is McNemar's exact test, for each line separately: the probability that chance alone makes such
an uneven change. From {LIMIT} on, the change may be chance. {count} messages show only big
differences: if nothing is lost, at least 6 must be gained."""


def _spent(before: Spending, now: Spending, columns: Sequence[str]) -> str:
    rows = [
        ["latency p50, s", f"{before.p50:.2f}", f"{now.p50:.2f}"],
        ["latency p95, s", f"{before.p95:.2f}", f"{now.p95:.2f}"],
        ["tokens in", _figure(before.tokens_in), _figure(now.tokens_in)],
        ["tokens out", _figure(before.tokens_out), _figure(now.tokens_out)],
        ["cost at today's prices", _figure(before.cost), _figure(now.cost)],
    ]
    return table(["spent", *columns], rows)


def _figure(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _changes(pairs: Pairs, columns: Sequence[str]) -> str:
    rows = [row for before, after in pairs for row in _changed(before, after)]
    if not rows:
        return "No label has changed."
    return table(["changed", "of", *columns, "accepted", ""], rows)


def _changed(before: Judged, after: Judged) -> Iterator[list[str]]:
    """One line per changed label."""
    for metric in METRICS:
        then, now = said(before.answer, metric), said(after.answer, metric)
        if then != now:
            effect = _effect(before.right[metric], after.right[metric])
            yield [before.example.id, metric, then, now, accepted(before.example, metric), effect]


def _effect(before: bool, after: bool) -> str:
    if before == after:
        return "right as before" if after else "wrong as before"
    return "gained" if after else "lost"
