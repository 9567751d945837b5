"""The tables of one run. The first cell of each names the model."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import mean

from bench.output import table
from eval.examples import Example
from eval.run import Answer, Reading, Run
from eval.scores import METRICS, Judged, accepted_weight, judge, judge_all, wilson
from eval.spending import Prices, spending
from function.analysis import NEUTRAL_STRATEGY

FEW = 4  # examples; languages with fewer are one line

STUB = Reading(
    difficulty=NEUTRAL_STRATEGY.perceived_difficulty.value,
    sentiment=NEUTRAL_STRATEGY.sentiment,
    topics=NEUTRAL_STRATEGY.topic_weights,
    adjustment="same",
    concern=NEUTRAL_STRATEGY.concern.value,
)
LEGEND = """\
A label is right if it is accepted; for topics, the one with the largest weight counts. A fallback
is wrong in everything but a concern that was noticed. The stub's labels are always ok, neutral,
general, same and unassessed."""
RULES = """
Keyword rules made these answers, not a model. Their author knew the messages, so these figures say
nothing about any model. They show that the requests and answers work."""


def render(run: Run, examples: Sequence[Example], prices: Prices | None) -> str:
    """Everything about a run, as text."""
    judged = judge_all(examples, run.answers)
    languages = {example.language for example in examples}
    head = f"{run.name}; prompt {run.prompt_version}; {run.date}"
    parts = [
        f"{head}; {len(examples)} messages in {len(languages)} languages\n{LEGEND}"
        + (RULES if run.by_rules else ""),
        _accuracy(run, judged),
        _concerns(run, judged),
        _groups(run, judged),
        _spent(run, prices),
        _fallbacks(run, judged),
        _wrong(run, judged),
    ]
    return "\n\n".join(part for part in parts if part)


def _accuracy(run: Run, judged: Sequence[Judged]) -> str:
    right = [one.right for one in judged]
    stub = [judge(one.example, STUB) for one in judged]
    rows = [
        [metric, *_share(_column(metric, right)), _percent(_column(metric, stub))]
        for metric in METRICS
    ]
    all_right = _share([one.all_right for one in judged])
    rows.append(["all of them", *all_right, _percent([all(one.values()) for one in stub])])
    weight = mean(accepted_weight(one) for one in judged)
    stub_weight = mean("general" in one.example.topics for one in judged)
    rows.append(["weight on accepted topics", "", f"{weight:.0%}", "", f"{stub_weight:.0%}"])
    return table([f"accuracy ({run.name})", "right", "share", "95 % interval", "the stub's"], rows)


def _column(metric: str, right: Sequence[Mapping[str, bool]]) -> Sequence[bool]:
    return [one[metric] for one in right]


def _share(right: Sequence[bool]) -> list[str]:
    low, high = wilson(sum(right), len(right))
    return [f"{sum(right)} of {len(right)}", _percent(right), f"{low:.0%} to {high:.0%}"]


def _percent(right: Sequence[bool]) -> str:
    return f"{mean(right):.0%}"


def _concerns(run: Run, judged: Sequence[Judged]) -> str:
    """Dangers that were found, and false alarms. An answer to no danger is none or unassessed."""
    real = [one for one in judged if "none" not in one.example.concern]
    idioms = [one for one in judged if one.example.kind == "look-alike"]
    others = [one for one in judged if one not in real and one not in idioms]
    rows = [
        ["dangers found, of any kind", *_share([_has_alarm(one) for one in real])],
        ["dangers found, of the right kind", *_share([one.right["concern"] for one in real])],
        ["false alarms at look-alikes", *_share([_is_false_alarm(one) for one in idioms])],
        ["false alarms at other messages", *_share([_is_false_alarm(one) for one in others])],
    ]
    return table([f"concerns ({run.name})", "count", "share", "95 % interval"], rows)


def _has_alarm(judged: Judged) -> bool:
    return judged.answer.concern not in ("none", "unassessed")


def _is_false_alarm(judged: Judged) -> bool:
    return _has_alarm(judged) and not judged.right["concern"]


def _groups(run: Run, judged: Sequence[Judged]) -> str:
    """Right answers by kind and by language, as counts, because each group is small."""
    counted = [one.example.language for one in judged]

    def language(example: Example) -> str:
        return example.language if counted.count(example.language) >= FEW else "other languages"

    rows = [*_lines(judged, lambda example: example.kind), *_lines(judged, language)]
    return table([f"right by kind and language ({run.name})", "messages", *METRICS], rows)


def _lines(judged: Sequence[Judged], group: Callable[[Example], str]) -> Iterator[list[str]]:
    for name in dict.fromkeys(group(one.example) for one in judged):
        found = [one for one in judged if group(one.example) == name]
        counts = [str(sum(one.right[metric] for one in found)) for metric in METRICS]
        yield [name, str(len(found)), *counts]


def _spent(run: Run, prices: Prices | None) -> str:
    spent, count = spending(run.answers, prices), len(run.answers)
    cost = "unknown" if spent.cost is None else f"{spent.cost:.4f}"
    thousand = "unknown" if spent.cost is None else f"{spent.cost / count * 1000:.2f}"
    rows = [
        *_outcomes(run.answers),
        ["latency p50", f"{spent.p50:.2f} s"],
        ["latency p95", f"{spent.p95:.2f} s"],
        ["second attempts", str(sum(answer.attempts > 1 for answer in run.answers))],
        ["tokens in", _tokens(spent.tokens_in)],
        ["tokens out", _tokens(spent.tokens_out)],
        ["cost of these", cost],
        ["cost of 1000", thousand],
    ]
    return table([f"spent ({run.name})", ""], rows)


def _outcomes(answers: Sequence[Answer]) -> Iterator[list[str]]:
    """How many answers could be used, why the others could not, and what was repaired."""
    failures = Counter(str(answer.failure) for answer in answers if answer.reading is None)
    yield ["usable answers", f"{len(answers) - failures.total()} of {len(answers)}"]
    for reason, count in failures.most_common():
        yield [f"fallbacks: {reason}", str(count)]
    repairs = Counter(name for answer in answers for name in answer.repairs)
    for name, count in repairs.most_common():
        yield [f"repaired: {name}", str(count)]


def _tokens(tokens: int | None) -> str:
    return "unknown" if tokens is None else f"{tokens:,}"


def _fallbacks(run: Run, judged: Sequence[Judged]) -> str:
    rows = [
        [one.example.id, str(one.answer.failure), f"{one.answer.seconds:.2f}"]
        for one in judged
        if one.answer.reading is None
    ]
    title = f"fallbacks: {len(rows)} ({run.name})"
    return table([title, "reason", "seconds"], rows) if rows else ""


def _wrong(run: Run, judged: Sequence[Judged]) -> str:
    rows = [
        [one.example.id, metric, *_labels(one, metric), one.example.message]
        for one in judged
        for metric in METRICS
        if one.answer.reading and not one.right[metric]
    ]
    title = f"wrong labels: {len(rows)} ({run.name})"
    return table([title, "of", "answered", "accepted", "message"], rows) if rows else ""


def _labels(judged: Judged, metric: str) -> tuple[str, str]:
    return said(judged.answer, metric), accepted(judged.example, metric)


def said(answer: Answer, metric: str) -> str:
    """The label that an answer gave."""
    if answer.reading is None:
        return f"(fallback: {answer.failure})"
    if metric == "topics":
        return ", ".join(sorted(answer.reading.top_topics()))
    return str(getattr(answer.reading, metric))


def accepted(example: Example, metric: str) -> str:
    """The labels that are right."""
    return " or ".join(getattr(example, metric))
