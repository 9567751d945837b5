"""What a provider's filter saw."""

import pytest

from function.domain import Concern
from function.llm.concerns import filtered_concern


def flagged(*names: str) -> dict[str, object]:
    return {name: {"filtered": True, "severity": "high"} for name in names}


@pytest.mark.parametrize(
    ("names", "concern"),
    [
        (("self_harm",), Concern.SELF_HARM),
        (("violence", "self_harm"), Concern.SELF_HARM),
        (("hate", "violence"), Concern.VIOLENCE),
        (("hate",), Concern.OTHER),
        (("sexual",), Concern.OTHER),
        (("jailbreak", "profanity"), Concern.UNASSESSED),
        ((), Concern.UNASSESSED),
    ],
)
def test_the_gravest_category_counts(names: tuple[str, ...], concern: Concern) -> None:
    results = {"content_filter_results": {**flagged(*names), "harassment": {"filtered": False}}}
    assert filtered_concern([{"choices": [results]}]) is concern


def test_results_without_an_end_end() -> None:
    results: dict[str, object] = {}
    results["self_harm"] = results
    assert filtered_concern(results) is Concern.UNASSESSED
