"""The context of a model is limited: long messages are shortened, and a cut prompt is noticed."""

import logging

from function.llm.outcome import Usage

log = logging.getLogger("function.llm")

GAP = " [...] "
HEAD = 2 / 3  # of the characters that are kept; the rest are the last ones
CHARACTERS_PER_TOKEN = 6  # at most, in an English prompt; 4 to 5 are usual


def excerpt(message: str, limit: int) -> str:
    """Keep the beginning and the end of a message that is longer than `limit` characters."""
    if len(message) <= limit:
        return message
    kept = limit - len(GAP)
    head = round(kept * HEAD)
    return message[:head] + GAP + message[head - kept :]


class ContextCheck:
    """Warns, once, if a server can't have seen all of the instructions.

    Ollama silently drops the front of a prompt that is longer than its context.
    """

    def __init__(self) -> None:
        self._warned = False

    def look(self, usage: Usage) -> None:
        """Compare the tokens of a question with what the instructions take at least."""
        from function.llm.prompt import system_prompt  # a cold start does without it

        least = len(system_prompt()) // CHARACTERS_PER_TOKEN
        # Some servers do not count the tokens that they had in a cache.
        if self._warned or usage.cached_tokens or not 0 < usage.input_tokens < least:
            return
        self._warned = True
        fields = {"input_tokens": usage.input_tokens, "at_least": least}
        hint = "give the model a larger context: docs/models.md"
        log.warning("the server cuts the prompt", extra={**fields, "hint": hint})
