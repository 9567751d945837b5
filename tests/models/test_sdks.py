"""Our requests beside those of the official SDKs for Python, on the same server."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from function.llm_url import BASE_URLS
from tests.instance import running
from tests.llm.conftest import KEY, llm_environ, post
from tests.llm.server import Exchange, ModelServer
from tests.models.servers import PYTHON

pytestmark = pytest.mark.models

MESSAGE = "Fractions drive me mad"
HEADERS = ("authorization", "x-api-key", "anthropic-version", "content-type", "accept")
# What the newest SDK no longer sends. The function leaves it out where a server refuses it.
OLDER = {"temperature"}


@pytest.fixture(scope="module")
def base_url(provider: str, server: ModelServer) -> str:
    return f"{server.url}/v1" if provider == "openai" else server.url


@pytest.fixture(scope="module")
def ours(
    provider: str,
    base_url: str,
    server: ModelServer,
    llm_database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Exchange]:
    log_file = tmp_path_factory.mktemp("sdk") / "log"
    with running(log_file, llm_database, **llm_environ(provider, base_url)) as function:
        post(function.wait_until_ready(), MESSAGE)
        yield _last(server, by_sdk=False)


@pytest.fixture(scope="module")
def sdk_base_url(provider: str, base_url: str, ours: Exchange) -> str:
    """Send our body with the SDK, and return the URL that it uses by default."""
    others = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OPENAI_", "ANTHROPIC_"))
    }
    done = subprocess.run(
        [PYTHON, Path(__file__).with_name("sdk.py"), provider, base_url, KEY],
        input=json.dumps(_body(ours)),
        env=others,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def theirs(sdk_base_url: str, server: ModelServer) -> Exchange:
    assert sdk_base_url  # the SDK has sent its request
    return _last(server, by_sdk=True)


def test_request(ours: Exchange, theirs: Exchange) -> None:
    """The SDK sends our body to the same path, and knows each of its keys."""
    assert theirs.path == ours.path
    assert theirs.json() == _body(ours)


def test_headers(ours: Exchange, theirs: Exchange) -> None:
    """We send what the SDK sends, and may send more for older servers."""
    expected = {name: theirs.headers[name] for name in HEADERS if name in theirs.headers}
    assert {name: ours.headers.get(name) for name in expected} == expected


def test_base_url(provider: str, sdk_base_url: str) -> None:
    """The default of LLM_BASE_URL is the SDK's."""
    assert sdk_base_url.rstrip("/") == BASE_URLS[provider]


def _body(request: Exchange) -> dict[str, Any]:
    return {name: value for name, value in request.json().items() if name not in OLDER}


def _last(server: ModelServer, *, by_sdk: bool) -> Exchange:
    """The last request that has the message. The function may ask about others, too."""
    agent = "mentor-function"
    found = [
        request
        for request in server.requests
        if MESSAGE in request.body.decode() and (request.headers["user-agent"] != agent) is by_sdk
    ]
    return found[-1]
