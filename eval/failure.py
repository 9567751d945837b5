"""The one error of an evaluation."""


class EvalFailure(Exception):
    """The evaluation can't run as requested; the text gives the reason."""
