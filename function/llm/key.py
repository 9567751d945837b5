"""The key of the provider, read anew for each question, so that a rotated one needs no restart."""

from function.llm.outcome import NoAnswer, Reason
from function.llm_settings import KEY, LlmSettings


def read_key(settings: LlmSettings) -> str | None:
    """Return the key, None where none is configured; raises NoAnswer if it can't be read."""
    if settings.api_key_file is None:
        return settings.api_key
    try:
        key = settings.api_key_file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        raise NoAnswer(Reason.NO_KEY) from None
    if not KEY.fullmatch(key):
        raise NoAnswer(Reason.NO_KEY)
    return key
