"""The memory that the large heads and bodies of all requests under way take together."""

LIMIT = 16 * 1024 * 1024  # bytes; thousands of clients could send 64 KiB each
NO_ROOM = "too many large requests are under way"
SMALL = 4 * 1024  # bytes; what is not larger does not count, and is always read


class Share:
    """Counts the bytes of one large head or body, until its request has an answer."""

    total = 0  # of all requests of the process
    __slots__ = ("_size",)

    def __init__(self) -> None:
        self._size = 0

    def grow(self, size: int) -> bool:
        """Note how many bytes have come, if more than SMALL; return whether there is room."""
        if size <= SMALL:
            return True
        Share.total += size - self._size
        self._size = size
        return Share.total <= LIMIT

    def release(self) -> None:
        """Note that they are not needed any more."""
        Share.total -= self._size
        self._size = 0
