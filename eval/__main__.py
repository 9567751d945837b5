"""`make eval`: ask the model, then print the tables."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from eval import compare, examples, report, run
from eval.asking import ask_all
from eval.examples import ExampleSet
from eval.failure import EvalFailure
from eval.options import Options, parse
from eval.provider import configured
from eval.run import Run
from function.llm.prompt import PROMPT_VERSION


def main() -> int:
    """Return 1 if nothing was measured, 2 for a wrong argument or file, 130 after Ctrl-C."""
    options = parse(sys.argv[1:], os.environ)
    try:
        return _evaluate(examples.load(), options)
    except EvalFailure as exc:
        print(exc, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _evaluate(labelled: ExampleSet, options: Options) -> int:
    old = _load(options.compare, labelled)  # before the questions, which cost money
    new = _load(options.saved, labelled) or _ask(labelled, options)
    print(report.render(new, labelled.examples, options.prices))
    if old:
        print(f"\n{compare.render(old, new, labelled.examples, options.prices)}")
    if options.json:
        run.save(new, options.json)
    if all(answer.reading is None for answer in new.answers):
        print("No question got an answer, so nothing was measured.", file=sys.stderr)
        return 1
    return 0


def _load(path: Path | None, labelled: ExampleSet) -> Run | None:
    return run.load(path, labelled) if path else None


def _ask(labelled: ExampleSet, options: Options) -> Run:
    date = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    with configured(os.environ) as provider:
        llm = provider.settings
        answers = asyncio.run(ask_all(llm, labelled.examples, options.concurrency))
    return Run(
        provider=llm.provider,
        model=llm.model,
        by_rules=provider.by_rules,
        prompt_version=PROMPT_VERSION,
        date=date,
        set_sha256=labelled.sha256,
        answers=answers,
    )


if __name__ == "__main__":
    sys.exit(main())
