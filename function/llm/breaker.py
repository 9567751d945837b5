"""A circuit breaker: after repeated failures requests no longer wait for the model."""

from collections.abc import Callable

FAILURES = 5  # in a row
PAUSE = 30.0  # seconds


class CircuitBreaker:
    """Opens after `failures` in a row; then one request a `pause` may try, until one succeeds.

    A cancelled request never reports. It delays the next try by a pause.
    """

    def __init__(
        self, clock: Callable[[], float], failures: int = FAILURES, pause: float = PAUSE
    ) -> None:
        """`clock` is monotonic, in seconds."""
        self._clock = clock
        self._limit = failures
        self._pause = pause
        self._failures = 0
        self._next_try = 0.0

    @property
    def is_open(self) -> bool:
        """Whether requests are turned away."""
        return self._failures >= self._limit

    def allows(self) -> bool:
        """Whether this request may be made; the caller then reports how it went."""
        if not self.is_open:
            return True
        if self._clock() < self._next_try:
            return False
        self._next_try = self._clock() + self._pause
        return True

    def succeed(self) -> bool:
        """Report a success; return whether it closed the circuit."""
        closes = self.is_open
        self._failures = 0
        return closes

    def fail(self) -> bool:
        """Report a failure; return whether it opened the circuit."""
        was_open = self.is_open
        self._failures += 1
        self._next_try = self._clock() + self._pause
        return self.is_open and not was_open
