"""The one error of an evaluation."""


class EvalFailure(Exception):
    """The evaluation can't be done as it was asked for; the text says why."""
