"""What makes a strategy of a student's feedback."""

from typing import Protocol

from function.domain import Difficulty, Feedback, Strategy, StrategySnapshot

NEUTRAL_STRATEGY = Strategy(
    perceived_difficulty=Difficulty.OK,
    difficulty_adjustment=0.0,
    topic_weights={"general": 1.0},
    sentiment="neutral",
    snapshot=StrategySnapshot(difficulty_weight=1.0, feedback_based=True, sentiment="neutral"),
)

# Where a model gave no answer: the same, and the row says so.
FALLBACK_STRATEGY = NEUTRAL_STRATEGY._replace(
    snapshot=StrategySnapshot(difficulty_weight=1.0, feedback_based=False, sentiment="neutral")
)


class Analyzer(Protocol):
    """Turns feedback into a strategy."""

    async def analyze(self, feedback: Feedback) -> Strategy:
        """Return the strategy; never fails, for a student's message must not be lost."""
        ...

    async def close(self) -> None:
        """Let go of what it holds, when no request needs it any more."""
        ...


class StubAnalyzer:
    """Finds every task just right, whatever the student says."""

    async def analyze(self, feedback: Feedback) -> Strategy:
        return NEUTRAL_STRATEGY

    async def close(self) -> None:
        """It holds nothing."""
