"""The memory that the heads and bodies of all requests under way take together."""

LIMIT = 16 * 1024 * 1024  # bytes; thousands of clients could send 64 KiB each
SMALL = 4 * 1024  # bytes; what is smaller is still read where there is no room for more


class Share:
    """Counts the bytes of one head or body, until its request has an answer."""

    total = 0  # of all requests of the process
    __slots__ = ("_size",)

    def __init__(self) -> None:
        self._size = 0

    def grow(self, size: int) -> bool:
        """Note how many bytes have come, and return whether there is room for them."""
        Share.total += size - self._size
        self._size = size
        return size <= SMALL or Share.total <= LIMIT

    def release(self) -> None:
        """Note that they are not needed any more."""
        Share.total -= self._size
        self._size = 0
