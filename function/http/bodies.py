"""The memory that the bodies of all requests under way take together."""

from function.errors import Unavailable

LIMIT = 16 * 1024 * 1024  # bytes; thousands of clients could send 64 KiB each
SMALL = 4 * 1024  # bytes; those that large bodies leave no room for are still read


class Body:
    """Counts the bytes of one body, until its request has an answer."""

    total = 0  # of all requests of the process
    __slots__ = ("_size",)

    def __init__(self) -> None:
        self._size = 0

    def grow(self, size: int) -> None:
        """Note how many bytes have come; raises Unavailable."""
        Body.total += size - self._size
        self._size = size
        if size > SMALL and Body.total > LIMIT:
            raise Unavailable("too many large bodies are being read")

    def release(self) -> None:
        """Note that the body is not needed any more."""
        Body.total -= self._size
        self._size = 0
