"""Nothing that is published trips the tools that read it; tests/contracts tries the tools."""

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import re2

from dev.openapi.__main__ import FILE
from dev.openapi.document import document
from dev.openapi.events import JSON_TYPE
from function.errors import InvalidRequest, UnsupportedMediaType
from function.http.delivery import parse_delivery
from function.http.ids import parse_idempotency_key
from tests.events.contract import (
    ASYNCAPI,
    ERASED_SCHEMA,
    REVISED_SCHEMA,
    VALUE_SCHEMA,
    read,
)
from tests.instance import FEEDBACK

API: dict[str, Any] = json.loads(FILE.read_bytes())
PUBLISHED = {
    "openapi": API,
    "asyncapi": read(ASYNCAPI),
    "updated": read(VALUE_SCHEMA),
    "revised": read(REVISED_SCHEMA),
    "erased": read(ERASED_SCHEMA),
}
COMPONENTS: dict[str, Any] = API["components"]["schemas"]

in_each = pytest.mark.parametrize("published", PUBLISHED.values(), ids=PUBLISHED.keys())


def test_the_function_serves_the_description_of_its_code() -> None:
    """`make openapi` writes it again."""
    assert FILE.read_bytes() == document()


def nodes(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each object of a document, with the way to it."""
    if isinstance(node, dict):
        yield path, node
    children = node.items() if isinstance(node, dict) else enumerate(node)
    for name, child in children:
        if isinstance(child, dict | list):
            yield from nodes(child, (*path, str(name)))


def normal(name: str) -> str:
    """What is left of a name when a generator has made it a type of some language."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def compiles(pattern: str) -> bool:
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error:
        return False
    return True


@in_each
def test_every_pattern_compiles_as_re2(published: object) -> None:
    patterns = {
        node["pattern"] for _, node in nodes(published) if isinstance(node.get("pattern"), str)
    }

    assert patterns
    assert [pattern for pattern in patterns if not compiles(pattern)] == []


@pytest.mark.parametrize("pattern", ['^(?!""$)[!-~]+$', r"^[^\u0000]*$", r"^[^\ufffd]+$"])
def test_re2_refuses_what_a_client_in_go_refused(pattern: str) -> None:
    assert not compiles(pattern)


def test_no_inline_title_is_the_name_of_a_component() -> None:
    names = {normal(name) for name in COMPONENTS}
    titles = {
        path: node["title"]
        for path, node in nodes(API)
        if isinstance(node.get("title"), str) and path[:-1] != ("components", "schemas")
    }

    assert [path for path, title in titles.items() if normal(title) in names] == []


def test_names_that_generators_make_up_are_no_components() -> None:
    """An inline type is named after what it is in: component and property, or operation."""
    made_up = [
        normal(f"{name} {field}")
        for name, component in COMPONENTS.items()
        for field in component.get("properties", {})
    ]
    for operation in operations():
        name = operation["operationId"]
        made_up += [normal(name), normal(f"{name} request"), normal(f"{name} response")]
        made_up += [normal(f"{name} {status} response") for status in operation["responses"]]

    assert {normal(name) for name in COMPONENTS} & set(made_up) == set()


def test_names_differ_by_more_than_case_and_punctuation() -> None:
    for names in (COMPONENTS, [operation["operationId"] for operation in operations()]):
        repeated = [name for name, n in Counter(map(normal, names)).items() if n > 1]
        assert repeated == []


def operations() -> Iterator[dict[str, Any]]:
    return (one for path in API["paths"].values() for one in path.values())


@in_each
def test_each_constant_and_each_choice_has_a_type(published: object) -> None:
    """Without one, a generated client takes any value for it."""
    untyped = [
        path
        for path, node in nodes(published)
        if node.keys() & {"const", "enum"} and "type" not in node and path[-1] != "not"
    ]

    assert untyped == []


def test_numbers_keep_all_their_digits_in_clients() -> None:
    numbers = [node for _, node in nodes(COMPONENTS) if node.get("type") == "number"]

    assert numbers
    assert {number.get("format") for number in numbers} == {"double"}


def test_clients_may_send_just_the_idempotency_keys_that_the_function_takes() -> None:
    schema = API["paths"]["/api/v1/feedback"]["post"]["parameters"][0]["schema"]
    pattern = re2.compile(schema["pattern"])
    for length in range(6):
        for key in map("".join, itertools.product(' !"\\~é', repeat=length)):
            if key == key.strip():  # the ends of a header's value are no part of it
                assert bool(pattern.search(key)) == accepted(key), key


def accepted(key: str) -> bool:
    try:
        parse_idempotency_key(key)
    except InvalidRequest:
        return False
    return True


@pytest.mark.parametrize(
    "content_type",
    [
        *("application/json", "Application/JSON", "text/json; charset=utf-8", "a/b+json ;x=y"),
        *("application/vnd.mathtrail.feedback+json", "text/xml", "a/json", "json", "+json", ""),
        *("application/jsonl", "application/json/json", "a/+json", "x/y;a/b+json", "text/+JSON"),
        *("\x1eapplication/json", "\n a/b+json\r\t;", "text/json\x1f", "text/j\u017fon"),
        *("\x85text/json", "text/json\xa0", "\x0btext/json", "text/json\ufeff", "\x1e/+json"),
    ],
)
def test_clients_may_send_just_the_content_types_that_the_function_takes(
    content_type: str,
) -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/", "type": "mentor.feedback.submitted"}
    body = json.dumps({**event, "datacontenttype": content_type, "data": FEEDBACK}).encode()

    try:
        parse_delivery({"content-type": "application/cloudevents+json"}, body)
        taken = True
    except UnsupportedMediaType:
        taken = False

    assert bool(re2.search(JSON_TYPE, content_type)) == taken
