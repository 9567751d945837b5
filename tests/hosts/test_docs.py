"""The page at /docs is served unless DOCS=off.

tests/browser tests that it works. The environment of func lacks the extra `docs`.
"""

import re
from pathlib import Path

import pytest

from tests.instance import Instance, running


@pytest.mark.parametrize("host", ["uvicorn", "functions-framework"], indirect=True, scope="session")
@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_page(instance: Instance, path: str) -> None:
    """The page links only to files that the function serves, by relative URLs."""
    page = instance.get(path)
    links = re.findall(r'(?:href|src|url: )=?"([^"]*)"', page.body.decode())

    assert (page.status, page.headers["content-type"].split(";")[0]) == (200, "text/html")
    assert len(links) >= 4
    base = path.removesuffix("docs") if path == "/docs" else path
    for link in links:
        assert not re.match(r"\w+:|/", link)  # a gateway may add a prefix to all paths
        target = "/openapi.json" if link.endswith("openapi.json") else base + link
        answer = instance.get(target)
        assert answer.status == 200
        assert answer.headers["content-type"].split(";")[0] in TYPES[Path(link).suffix]


TYPES = {
    ".css": ("text/css",),
    ".js": ("text/javascript",),
    ".json": ("application/json",),
    ".png": ("image/png",),
}


@pytest.mark.parametrize("host", ["knative"], indirect=True, scope="session")
def test_no_extra(instance: Instance) -> None:
    """Without the extra `docs`, /docs is 404."""
    answer = instance.get("/docs")

    assert (answer.status, answer.json()["code"]) == (404, "NOT_FOUND")


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "accept", [BROWSER, "text/html", "*/*, TEXT/HTML ; q=0.1", "text/html;charset=utf-8;q=0.01"]
)
def test_redirect(instance: Instance, host: str, method: str, accept: str) -> None:
    """A browser that opens / is redirected to the page."""
    answer = instance.request(method, "/", headers={"Accept": accept})

    if host == "knative":  # it lacks the extra `docs`
        assert answer.status == 405
        return
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html")
    assert (answer.headers["vary"], b"/docs" in answer.body) == ("Accept", method == "GET")
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "accept"),
    [
        *(
            ("GET", "/", accept)
            for accept in ("*/*", "text/*", "text/html;q=0", "text/html; q=0.000", "text/htmlx")
        ),
        ("GET", "/", "text/html;q=0.5, application/json"),
        ("HEAD", "/", "application/problem+json;q=0.9, text/html;q=0.8"),
        ("GET", "/", "application/json;x=text/html"),
        ("PUT", "/", BROWSER),
        ("GET", "/v1/feedback", BROWSER),
    ],
)
def test_no_redirect(instance: Instance, method: str, path: str, accept: str) -> None:
    """A client that does not prefer HTML gets 405 instead of the redirect."""
    answer = instance.request(method, path, headers={"Accept": accept})

    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    if method != "HEAD":
        assert answer.json()["code"] == "METHOD_NOT_ALLOWED"


def test_browser_post(instance: Instance) -> None:
    """A POST to / is read as feedback, also from a browser."""
    answer = instance.request("POST", "/", b"{}", {"Accept": BROWSER})

    assert answer.status == 400


def test_docs_off(hosts_database: str, tmp_path: Path) -> None:
    """With DOCS=off, there are no page and no redirect."""
    with running(tmp_path / "log", hosts_database, DOCS="off") as function:
        function.wait_until_ready()
        for path in ("/docs", "/docs/", "/docs/swagger-ui.css"):
            answer = function.get(path)
            assert (answer.status, answer.json()["code"]) == (404, "NOT_FOUND")
        assert function.get("/openapi.json").status == 200
        assert function.get("/", Accept=BROWSER).status == 405
