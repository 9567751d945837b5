"""Lets the stub find a concern where the message names one."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3]))

from function.analysis import NEUTRAL_STRATEGY, StubAnalyzer
from function.domain import Concern, Feedback, Strategy


async def analyze(self: StubAnalyzer, feedback: Feedback) -> Strategy:
    found = [concern for concern in Concern if concern.value in feedback.message]
    return NEUTRAL_STRATEGY._replace(concern=found[0] if found else Concern.NONE)


StubAnalyzer.analyze = analyze  # type: ignore[method-assign]
