"""Every method at every path is answered alike on every host."""

import json

import pytest

from tests.instance import PATH, Answer, Instance

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW", "get")
BODIES = {
    "/health/startup": {"status": "started"},
    "/health/liveness": {"status": "ok"},
    "/health/liveness/": {"status": "ok"},
    "/_/health": {"status": "ok"},
    "/health/ready": {"status": "ready"},
    "/health/ready?verbose=1": {"status": "ready"},
    "/health/readiness": {"status": "ready"},
    "/_/ready": {"status": "ready"},
}
TO_POST = ("/", PATH, "/v1/feedback", "/v1/feedback/")
UNKNOWN = (
    "//",
    "/api",
    "/api/v1/feedback//",
    "/api/v1/feedback/1",
    "/API/v1/feedback",
    "/health",
    "/%00",
    "/%ff%fe",
    "/line%0Abreak",
    "/favicon.ico",
    "/robots.txt",
    "/" + "x" * 50_000,
)


EVERYWHERE = (*BODIES, *TO_POST, *UNKNOWN)


def by_contract(host: str, method: str, path: str) -> tuple[int, str | None, object]:
    """The status, the `Allow` header, and the body or the code in it."""
    if host != "knative" and method in ("BREW", "get"):
        return 400, None, "INVALID_REQUEST"  # httptools accepts only registered methods
    if path in UNKNOWN:
        return 404, None, "NOT_FOUND"
    if path in TO_POST:
        return (400, None, "INVALID_REQUEST") if method == "POST" else (405, "POST", NOT_ALLOWED)
    if method in ("GET", "HEAD"):
        return 200, None, BODIES[path]
    return 405, "GET, HEAD", NOT_ALLOWED


NOT_ALLOWED = "METHOD_NOT_ALLOWED"


def body_of(answer: Answer, method: str) -> object:
    if method == "HEAD":
        assert answer.body == b""
        return None
    document = answer.json()
    return document.get("code", document)


@pytest.mark.parametrize("path", EVERYWHERE, ids=lambda path: path[:30])
@pytest.mark.parametrize("method", METHODS)
def test_method_and_path(instance: Instance, host: str, method: str, path: str) -> None:
    """Each answer is that of the contract."""
    answer = instance.request(method, path)

    if host == "knative":
        method = method.upper()  # as hypercorn does, although methods are case-sensitive
    status, allow, body = by_contract(host, method, path)
    assert (answer.status, answer.headers.get("allow")) == (status, allow)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    assert body_of(answer, method) == (None if method == "HEAD" else body)


def test_head(instance: Instance) -> None:
    """HEAD returns the Content-Length of GET, without a body."""
    head = instance.request("HEAD", "/openapi.json")

    assert head.headers["content-length"] == str(len(instance.get("/openapi.json").body))
    assert head.body == b""


@pytest.mark.parametrize(
    "path", ["/docs/../openapi.json", "/docs/%2e%2e/docs.py", "/docs//etc/passwd", "/docs/nothing"]
)
def test_paths_below_docs(instance: Instance, path: str) -> None:
    """Below /docs/ there are only the page's files."""
    answer = instance.get(path)

    assert (answer.status, answer.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "data",
    [b"nonsense\r\n\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n"],
    ids=["no request line", "no length"],
)
def test_malformed_request(instance: Instance, data: bytes) -> None:
    """A malformed request gets 400, in the form of other errors."""
    received = instance.raw(data)

    assert int(received.split()[1]) == 400
    assert json.loads(received.split(b"\r\n\r\n")[1])["code"] == "INVALID_REQUEST"
    assert b"\r\nx-request-id: " in received
