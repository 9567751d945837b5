"""What the body of a provider's error tells: words for the log, and what a filter saw."""

import json
from typing import Any

import pytest

from function.domain import Concern
from function.llm.rejection import Rejection, filtered, words_for_log

SAFE = {"filtered": False, "severity": "safe"}
HIGH = {"filtered": True, "severity": "high"}


def rejection(body: object, status: int = 400) -> Rejection:
    return Rejection(status, {}, json.dumps(body).encode())


def azure(*found: str) -> dict[str, Any]:
    categories = ("hate", "self_harm", "sexual", "violence")
    result = {name: HIGH if name in found else SAFE for name in categories}
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": result}
    error = {"message": "m", "type": None, "param": "prompt", "code": "content_filter"}
    return {"error": {**error, "status": 400, "innererror": inner}}


def litellm(*found: str) -> dict[str, Any]:
    """https://github.com/BerriAI/litellm/pull/16231"""
    text = "litellm.BadRequestError: litellm.ContentPolicyViolationError: AzureException - ..."
    fields = {"innererror": azure(*found)["error"]["innererror"]}
    error = {"message": text, "type": None, "param": None, "code": "400"}
    return {"error": {**error, "provider_specific_fields": fields} if found else error}


def openrouter(*reasons: str) -> dict[str, Any]:
    """https://openrouter.ai/docs/api/reference/errors-and-debugging"""
    metadata = {"reasons": list(reasons), "flagged_input": "I want", "provider_name": "OpenAI"}
    return {"error": {"code": 403, "message": "Your input was flagged", "metadata": metadata}}


def gateway(error: object) -> dict[str, Any]:
    """https://github.com/huggingface/smolagents/issues/1139"""
    return {"error": {"message": f"Error code: 400 - {error}", "type": "None", "code": "400"}}


@pytest.mark.parametrize(
    ("body", "status", "concern"),
    [
        (gateway(azure("self_harm")), 400, Concern.SELF_HARM),
        (gateway(json.dumps(azure("violence"))), 500, Concern.VIOLENCE),
        (gateway(json.dumps(json.dumps(azure("violence")))), 400, Concern.VIOLENCE),
        ({"detail": f"Error code: 400 - {azure('self_harm')}"}, 500, Concern.SELF_HARM),
        (f"Error code: 400 - {azure('self_harm')}", 400, Concern.SELF_HARM),
        (azure("self_harm"), 400, Concern.SELF_HARM),
        (azure("violence", "hate"), 400, Concern.VIOLENCE),
        (azure("violence", "self_harm"), 400, Concern.SELF_HARM),
        (azure("sexual"), 400, Concern.OTHER),
        (azure("hate"), 400, Concern.OTHER),
        (azure(), 400, Concern.UNASSESSED),
        (litellm("self_harm"), 400, Concern.SELF_HARM),
        (litellm(), 400, Concern.UNASSESSED),
        (azure("self_harm"), 451, Concern.SELF_HARM),
        (azure("self_harm"), 500, Concern.SELF_HARM),  # a gateway may hide the status
        (openrouter("self-harm/intent", "violence"), 403, Concern.SELF_HARM),
        (openrouter("violence/graphic"), 403, Concern.VIOLENCE),
        (openrouter("harassment"), 403, Concern.BULLYING),
        ({"error": {"message": "flagged", "code": "invalid_prompt"}}, 400, Concern.UNASSESSED),
        ({"error": {"code": "content_policy_violation"}}, 403, Concern.UNASSESSED),
        (
            {"error": {"moderation": {"categories": {"self-harm": True, "violence": False}}}},
            400,
            Concern.SELF_HARM,
        ),
    ],
)
def test_filters(body: object, status: int, concern: Concern) -> None:
    assert filtered(rejection(body, status)) is concern


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"message": "Invalid model name", "code": "400"}}, 400),
        ({"error": {"message": "permission denied", "type": "permission_error"}}, 403),
        (azure(), 500),
        ("moderation", 403),
        ([], 400),
    ],
)
def test_errors_of_another_kind(body: object, status: int) -> None:
    assert filtered(rejection(body, status)) is None


def test_a_filter_in_plain_text() -> None:
    body = f"Error code: 400 - {azure('self_harm')}".encode()
    assert filtered(Rejection(502, {}, body)) is Concern.SELF_HARM


def test_a_page_of_a_firewall_is_no_filter() -> None:
    assert filtered(Rejection(403, {}, b"<html>Blocked by moderation</html>")) is None


def test_the_log_gets_plain_words_only() -> None:
    words = {"code": "unsupported_parameter", "type": "a text. It has spaces", "param": "x" * 65}
    assert words_for_log(rejection({"error": words})) == {"error_code": "unsupported_parameter"}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[" * 16000, b'{"error": 1}', b"[1]", b"\xff", b'{"error": {"code": 4}}']
)
def test_a_body_without_words(body: bytes) -> None:
    assert words_for_log(Rejection(400, {}, body)) == {}
    assert filtered(Rejection(400, {}, body)) is None


def test_a_body_that_was_cut_off() -> None:
    body = json.dumps({"error": {"code": "content_filter", "message": "m" * 99}})[:60].encode()
    assert words_for_log(Rejection(400, {}, body)) == {"error_code": "content_filter"}


def test_neither_the_key_nor_the_students_words_are_logged() -> None:
    body = {"error": {"code": "sk-secret", "type": "dead", "param": "max_tokens"}}
    words = words_for_log(rejection(body), "sk-secret", "I wish I was dead")
    assert words == {"error_param": "max_tokens"}


def test_a_word_around_a_secret_is_not_logged() -> None:
    body = {"error": {"code": "bad_key_sk-secret", "type": "no_HILBERT", "param": "max_tokens"}}
    words = words_for_log(rejection(body), "sk-secret", "Hilbert", "", "m")
    assert words == {"error_param": "max_tokens"}
