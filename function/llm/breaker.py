"""A circuit breaker: after repeated failures requests no longer wait for the model."""

import logging

from function.llm.outcome import NoAnswer

log = logging.getLogger("function.llm")

FAILURES = 5  # in a row


class CircuitBreaker:
    """Opens after `failures` of the provider's in a row, until a question is answered."""

    def __init__(self, failures: int = FAILURES) -> None:
        self._limit = failures
        self._failures = 0

    @property
    def is_open(self) -> bool:
        """Whether requests are turned away."""
        return self._failures >= self._limit

    def learn(self, failure: NoAnswer | None) -> None:
        """Count how a question ended. What says nothing about the provider changes nothing."""
        if failure is None or failure.clears_provider:
            if self.is_open:
                log.warning("model back, circuit closed")
            self._failures = 0
        elif failure.blames_provider:
            self._failures += 1
            if self._failures == self._limit:
                log.warning("model failing, circuit open")
