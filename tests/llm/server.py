"""A model provider on real sockets that speaks both formats, and misbehaves on demand."""

import asyncio
import json
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

GOOD: dict[str, object] = {
    "evidence": "drive me mad",
    "kind": "task",
    "perceived_difficulty": "hard",
    "understanding": "partial",
    "sentiment": "frustrated",
    "difficulty_adjustment": "easier",
    "topics": [{"topic": "fractions", "weight": "high"}, {"topic": "decimals", "weight": "low"}],
    "concern": "none",
}
FOREVER = 3600.0  # seconds


@dataclass(frozen=True)
class Exchange:
    """A request, and the connection for its answer."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    writer: asyncio.StreamWriter
    reader: asyncio.StreamReader

    def json(self) -> Any:
        return json.loads(self.body)

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self, status: int, body: bytes, *headers: str) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
        await self.write("\r\n".join(lines).encode() + body)


Behavior = Callable[[Exchange], Awaitable[None]]


@dataclass
class ModelServer:
    """A server that answers with `behavior`, and collects `requests`.

    Warm-ups come at any time, so they have a behavior and a list of their own.
    """

    behavior: Behavior
    reads: bool = True
    port: int = 0
    requests: list[Exchange] = field(default_factory=list)
    warm_up: Behavior = field(default_factory=lambda: answers())  # noqa: PLW0108 - defined below
    warm_ups: list[Exchange] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while self.reads:
                exchange = await _read(reader, writer)
                if b"warm-up" in exchange.body:
                    self.warm_ups.append(exchange)
                    await self.warm_up(exchange)
                else:
                    self.requests.append(exchange)
                    await self.behavior(exchange)
            await asyncio.sleep(FOREVER)
        except (OSError, EOFError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Exchange:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    request_line, *lines = head.split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Exchange(request_line.split(" ")[1], headers, body, writer, reader)


@contextmanager
def serving(behavior: Behavior, tls: ssl.SSLContext | None = None) -> Iterator[ModelServer]:
    """Serve in a thread until the end of the block."""
    model = ModelServer(behavior)
    loop = asyncio.new_event_loop()
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    model.port = listener.getsockname()[1]
    loop.run_until_complete(asyncio.start_server(model.serve, sock=listener, ssl=tls))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield model
    finally:
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        listener.close()
        loop.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def envelope(path: str, text: str, stop: str = "", refusal: str | None = None) -> bytes:
    """Return the text in the format of the path's provider."""
    if path.endswith("/chat/completions"):
        message = {"role": "assistant", "content": text, "refusal": refusal}
        choice = {"index": 0, "message": message, "finish_reason": stop or "stop"}
        usage = {"prompt_tokens": 1900, "completion_tokens": 60, "total_tokens": 1960}
        return json.dumps({"choices": [choice], "usage": usage}).encode()
    response = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": text}],
        "stop_reason": stop or "end_turn",
        "usage": {"input_tokens": 1900, "output_tokens": 60},
    }
    return json.dumps(response).encode()


def says(text: str) -> Behavior:
    """The model writes this text."""

    async def behave(exchange: Exchange) -> None:
        await exchange.reply(200, envelope(exchange.path, text))

    return behave


def answers(
    answer: object = GOOD, after: float = 0, once: threading.Event | None = None
) -> Behavior:
    """The model gives this answer, after `after` seconds and not before `once` is set."""

    async def behave(exchange: Exchange) -> None:
        await asyncio.sleep(after)
        while once and not once.is_set():  # noqa: ASYNC110 - set in another thread
            await asyncio.sleep(0.05)
        await exchange.reply(200, envelope(exchange.path, json.dumps(answer)))

    return behave


def stops(openai: str, anthropic: str, text: str) -> Behavior:
    """The model stops for a reason, which each provider names differently."""

    async def behave(exchange: Exchange) -> None:
        stop = openai if exchange.path.endswith("/chat/completions") else anthropic
        await exchange.reply(200, envelope(exchange.path, text, stop))

    return behave


def replies(status: int, body: bytes = b"{}", *headers: str) -> Behavior:
    """The server sends this answer."""

    async def behave(exchange: Exchange) -> None:
        await exchange.reply(status, body, *headers)

    return behave


def sends(*parts: bytes, pause: float = 0, endless: bool = False) -> Behavior:
    """The server sends these bytes with pauses, and repeats the last ones if `endless`."""

    async def behave(exchange: Exchange) -> None:
        for part in parts:
            await exchange.write(part)
            await asyncio.sleep(pause)
        while endless:
            await exchange.write(parts[-1])
            await asyncio.sleep(pause)

    return behave


def refuses(*names: str, status: int = 400, then: Behavior | None = None) -> Behavior:
    """The server refuses requests whose body has one of these keys, and names the first found."""

    async def behave(exchange: Exchange) -> None:
        body = exchange.json()
        found = [name for name in names if name in body or name in _kinds(body)]
        if not found:
            await (then or answers())(exchange)
        else:
            error = {"message": f"{found[0]}: Extra inputs are not permitted", "param": None}
            await exchange.reply(status, json.dumps({"error": error}).encode())

    return behave


def _kinds(body: Any) -> list[str]:
    """The kind of the response's format, and the keys of Anthropic's configuration of it."""
    config = [f"output_config.{name}" for name in body.get("output_config", {})]
    return [body.get("response_format", {}).get("type", ""), *config]


def in_turn(*behaviors: Behavior) -> Behavior:
    """Use the behaviors one after the other, and then always the last one."""
    left = list(behaviors)

    async def behave(exchange: Exchange) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(exchange)

    return behave


def sleeps(seconds: float) -> Behavior:
    """The server loads its model first, as Ollama does: a client that disconnects ends the load."""
    loaded = threading.Event()

    async def behave(exchange: Exchange) -> None:
        if not loaded.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(exchange.reader.read(1), seconds)
                raise EOFError  # the client is gone
            loaded.set()
        await answers()(exchange)

    return behave


async def hang(exchange: Exchange) -> None:
    await asyncio.sleep(FOREVER)


async def close(exchange: Exchange) -> None:
    exchange.writer.close()


async def reset(exchange: Exchange) -> None:
    """End the connection with RST."""
    linger = struct.pack("ii", 1, 0)
    exchange.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    exchange.writer.transport.abort()


async def close_mid_body(exchange: Exchange) -> None:
    await exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
    exchange.writer.close()
