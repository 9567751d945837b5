"""The one error of a measurement."""


class BenchFailure(Exception):
    """What was measured is not what should have been; the text says how it differs."""
