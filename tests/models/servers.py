"""Real model servers: llama.cpp's with a small model, and LiteLLM's proxy in front of it."""

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from dev.ports import free_port
from dev.supervisor import Process
from tests.instance import ROOT
from tests.waiting import wait_until

Command = list[str | Path]

PYTHON = ROOT / ".venv-models/bin/python"
MODEL = "gemma-3-270m"
# The proxy reads its own copies of what it would download.
OFFLINE = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
}
START_LIMIT = 240  # seconds; LiteLLM's imports take 20 on two idle cores


@dataclass(frozen=True)
class Server:
    """A server that speaks OpenAI's format below /v1, and Anthropic's too."""

    name: str
    url: str
    key: str

    def environ(self, provider: str, **more: str) -> dict[str, str]:
        """The function's configuration for this server."""
        return {
            "LLM_PROVIDER": provider,
            "LLM_BASE_URL": f"{self.url}/v1" if provider == "openai" else self.url,
            "LLM_MODEL": MODEL,
            "LLM_API_KEY": self.key,
            "LLM_TIMEOUT": "20",
            "DATABASE_TIMEOUT": "4",
            **more,
        }


@contextmanager
def llama(folder: Path, idle: int = -1) -> Iterator[Server]:
    """Serve the small model with llama.cpp until the end of the block.

    The server unloads the model after `idle` seconds without a question, or never. It writes to
    the file `log` in the folder.
    """
    port = free_port()
    command: Command = [PYTHON, Path(__file__).with_name("llama.py"), str(port), str(idle)]
    with Process(command, log=folder / "log") as process:
        url = _wait(process, port, "/health", folder / "log")
        yield Server("llama.cpp", url, key="")


@contextmanager
def litellm(upstream: Server, folder: Path) -> Iterator[Server]:
    """Serve LiteLLM's proxy for `upstream` until the end of the block."""
    port, key = free_port(), f"sk-{secrets.token_hex(32)}"
    config = folder / "config.yaml"
    config.write_text(json.dumps(_configuration(upstream)))
    command: Command = [PYTHON.with_name("litellm"), "--config", config]
    command += ["--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
    environ = {**os.environ, **OFFLINE, "LITELLM_MASTER_KEY": key}
    with Process(command, log=folder / "log", env=environ) as process:
        url = _wait(process, port, "/health/liveliness", folder / "log")
        yield Server("LiteLLM", url, key)


def _configuration(upstream: Server) -> Mapping[str, object]:
    parameters = {"model": f"openai/{MODEL}", "api_base": f"{upstream.url}/v1", "api_key": "none"}
    return {
        "model_list": [{"model_name": MODEL, "litellm_params": parameters}],
        # Without it, /v1/messages asks the server's /v1/responses, and llama.cpp ignores the
        # schema there.
        "litellm_settings": {"use_chat_completions_url_for_anthropic_messages": True},
    }


def _wait(process: Process, port: int, path: str, log: Path) -> str:
    """Wait until the server answers, and return its URL."""
    url = f"http://127.0.0.1:{port}"

    def is_ready() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return httpx.get(f"{url}{path}").is_success
        except httpx.TransportError:
            return False

    wait_until(is_ready, START_LIMIT)
    return url
