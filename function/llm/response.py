"""What the responses of both formats have in common.

Servers differ in all that is optional, so what has another type than expected counts as missing.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from function.domain import Concern
from function.llm.concerns import concern_of, filtered_categories
from function.llm.outcome import NoAnswer, Reason, Usage

Object = Mapping[str, object]

# Why a model stopped, in lower case. Other words, such as "stop" and "tool_calls", are no problem.
PROBLEMS = {
    **dict.fromkeys(("length", "max_tokens", "model_length"), Reason.TRUNCATED),
    **dict.fromkeys(("model_context_window_exceeded", "pause_turn"), Reason.TRUNCATED),
    **dict.fromkeys(("content_filter", "content_filtered", "refusal", "safety"), Reason.REFUSED),
    **dict.fromkeys(("prohibited_content", "blocklist", "spii", "recitation"), Reason.REFUSED),
    **dict.fromkeys(("sensitive", "guardrail_intervened"), Reason.REFUSED),
    **dict.fromkeys(("error", "abort", "network_error"), Reason.PROVIDER_ERROR),
    **dict.fromkeys(("insufficient_system_resource",), Reason.PROVIDER_ERROR),
}
# Those that are no problem, and for spans.
STOPS = frozenset((*PROBLEMS, "stop", "end_turn", "stop_sequence", "tool_calls", "tool_use"))
MODEL_NAME = re.compile(r"[A-Za-z0-9._:/@-]{1,100}")

# Of a stream. str.splitlines knows more, and JSON may have those inside of texts.
LINE_END = re.compile(r"\r\n|\n|\r")
STATUSES = range(400, 600)
THOUGHTS = ("thinking", "redacted_thinking", "reasoning")  # types of parts


@dataclass(frozen=True, slots=True)
class Completion:
    """What a provider sent: texts that may hold the answer, the likeliest first, and the cost.

    `problem` is why there may be no answer; `concern` is what the provider's filter saw.
    """

    texts: tuple[str, ...]
    problem: Reason | None = None
    usage: Usage = field(default_factory=Usage)
    concern: Concern = Concern.UNASSESSED


def read_events(body: bytes) -> list[Object]:
    """The JSON object of the body, or those of its server-sent events; raises NoAnswer.

    Some servers send a stream although nobody asked for one, and some send an error with 200.
    """
    text = body.decode("utf-8", "replace").strip("\ufeff \t\r\n")
    if text.startswith(("data:", "event:", "id:", "retry:", ":")):
        lines = [line[5:].strip() for line in LINE_END.split(text) if line.startswith("data:")]
    else:
        lines = [text]
    events = [_read_object(line) for line in lines if line and line != "[DONE]"]
    if not events:
        raise NoAnswer(Reason.NOT_THE_API)
    return events


def _read_object(text: str) -> Object:
    try:
        value = json.loads(text)  # pydantic's reader takes no half of an emoji
    except ValueError:
        raise NoAnswer(Reason.NOT_THE_API) from None
    if not isinstance(value, dict):
        raise NoAnswer(Reason.NOT_THE_API)
    if value.get("error"):
        raise provider_error(value)
    return value


def provider_error(*events: Object) -> NoAnswer:
    """What an error with 200 means; it may be that of a filter."""
    code = as_object(events[0].get("error")).get("code")
    status = code if isinstance(code, int) and code in STATUSES else None
    categories = filtered_categories(list(events))
    failure = NoAnswer(Reason.REFUSED if categories else Reason.PROVIDER_ERROR, status)
    failure.concern = concern_of(categories)
    return failure


def problem_of(reason: object) -> Reason | None:
    """What it means that the model stopped for this reason; Gemini writes it in capitals."""
    return PROBLEMS.get(reason.lower()) if isinstance(reason, str) else None


def finish_reason(*reasons: object) -> str:
    """The last word for why the model stopped, if it is a known one; it can't be a text."""
    words = [reason.lower() for reason in reasons if isinstance(reason, str)]
    return words[-1] if words and words[-1] in STOPS else ""


def model_name(objects: Sequence[Object]) -> str:
    """The first name of the model, if it looks like one."""
    names = (str(one.get("model") or "") for one in objects)
    return next((name for name in names if MODEL_NAME.fullmatch(name)), "")


def text_of(content: object) -> str:
    """The text of a message's content: a string, an object, or parts of which some are thoughts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(map(text_of, content))
    if not isinstance(content, dict) or content.get("type") in THOUGHTS:
        return ""
    if "type" in content or "text" in content:
        return text_of(content.get("text"))
    return json.dumps(content)  # the answer itself


def as_object(value: object) -> Object:
    """The object; an empty one if it is something else."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """The list; an empty one if it is something else."""
    return value if isinstance(value, list) else []


def count(value: object) -> int:
    """A number of tokens; 0 for what is none, because no answer depends on it."""
    if isinstance(value, int | float) and 0 <= value <= 10**9:
        return int(value)
    return 0
