"""The attributes of an event: read from headers, and checked.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#context-attributes
"""

import re
from collections.abc import Mapping
from urllib.parse import unquote

from function.errors import InvalidRequest, UnsupportedMediaType

SUBMITTED = "mentor.feedback.submitted"
DATA = "the event's data"  # its name in errors

REQUIRED = ("specversion", "id", "source", "type")
# The OpenAPI document has the same pattern; `\s` and cases beyond ASCII differ between languages.
JSON_TYPE = re.compile(
    r"[ \t\r\n]*((application|text)/|[^/;]+/[^/;]+\+)json[ \t\r\n]*(;|\Z)",
    re.IGNORECASE | re.ASCII,
)
BROKEN_TEXT = re.compile("[\ud800-\udfff\ufffd]")


def read_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Read the attributes of an event in binary mode.

    `id` and `source` stay as they are, because they may be percent-encoded: see event_row_id.
    """
    texts = {name[3:]: _read_header(headers[name]) for name in headers if name.startswith("ce-")}
    names = {name: texts[name] for name in ("id", "source") if name in texts}
    attributes = {name: unquote(text) for name, text in texts.items()} | names
    if content_type := headers.get("content-type"):
        attributes["datacontenttype"] = content_type
    return attributes


def _read_header(value: str) -> str:
    """Read a header's text, which may still be percent-encoded: section 3.1.3.2 of the binding.

    Some clients send UTF-8 without encoding it, and browsers and Node.js send Latin-1.
    """
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return value


def check(attributes: Mapping[str, object]) -> None:
    """Raise InvalidRequest, which names all wrong attributes, or UnsupportedMediaType."""
    missing = [f"{name} is missing" for name in REQUIRED if name not in attributes]
    wrong = [
        f"{name} must be a string of at least 1 character, in valid Unicode"
        for name in ("id", "source")
        if name in attributes and not _is_identifier(attributes[name])
    ]
    if attributes.get("specversion", "1.0") != "1.0":
        wrong.append('specversion must be "1.0"')
    if attributes.get("type", SUBMITTED) != SUBMITTED:
        wrong.append(f"type must be {SUBMITTED}")
    if missing or wrong:
        raise InvalidRequest("; ".join(missing + wrong))
    if not JSON_TYPE.match(str(attributes.get("datacontenttype", "application/json"))):
        raise UnsupportedMediaType(f"{DATA} must be JSON, with a JSON content type")


def _is_identifier(value: object) -> bool:
    """Tell a unique id or source. A text with U+FFFD is not: it may have been another one."""
    return isinstance(value, str) and bool(value) and not BROKEN_TEXT.search(value)
