"""The interface of an analyzer, the strategies that need no model, and the stub."""

from typing import Protocol

from function.domain import Difficulty, Feedback, Strategy, StrategySnapshot

NEUTRAL_STRATEGY = Strategy(
    perceived_difficulty=Difficulty.OK,
    difficulty_adjustment=0.0,
    topic_weights={"general": 1.0},
    sentiment="neutral",
    snapshot=StrategySnapshot(difficulty_weight=1.0, feedback_based=True, sentiment="neutral"),
)

# Used when a model gave no answer; the row says so.
FALLBACK_STRATEGY = NEUTRAL_STRATEGY._replace(
    snapshot=StrategySnapshot(difficulty_weight=1.0, feedback_based=False, sentiment="neutral")
)


class Analyzer(Protocol):
    """Turns feedback into a strategy."""

    def start(self) -> None:
        """Begin what may be done before the first feedback; called on the event loop."""
        ...

    async def analyze(self, feedback: Feedback) -> Strategy:
        """Return the strategy. It never fails, because a failure would lose the feedback."""
        ...

    async def close(self) -> None:
        """Close its connections, after the last request."""
        ...


class StubAnalyzer:
    """Returns the neutral strategy for all feedback."""

    def start(self) -> None:
        """There is nothing to begin."""

    async def analyze(self, feedback: Feedback) -> Strategy:
        return NEUTRAL_STRATEGY

    async def close(self) -> None:
        """There is nothing to close."""
