"""Answers of a model that was taken over: they contain all that it got, and lead elsewhere."""

import json

from tests.llm.server import Behavior, Exchange, replies, says
from tests.security.canary import MESSAGE, MODEL_KEY


def echoes(status: int, *headers: str) -> Behavior:
    """The whole request comes back, where providers put words, as plain words and as JSON."""

    async def behave(exchange: Exchange) -> None:
        got = f"{exchange.headers} {exchange.body.decode()}"
        error = {"message": got, "code": MODEL_KEY, "type": MESSAGE, "param": MESSAGE[:10] + got}
        body = json.dumps({"error": error, "echo": got}).encode()
        await exchange.reply(status, body, *headers, f"X-Echo: {MODEL_KEY}")

    return behave


def behaviors(elsewhere: str) -> list[Behavior]:
    answer = {"perceived_difficulty": MESSAGE, "sentiment": MESSAGE, "kind": MODEL_KEY}
    topics = [{"topic": MESSAGE, "weight": MODEL_KEY}, {MESSAGE: MODEL_KEY}]
    return [
        *(echoes(status) for status in (200, 400, 401, 404, 422, 429, 500)),
        *(echoes(status, f"Location: {elsewhere}/{MESSAGE}") for status in (302, 307, 308)),
        replies(500, MESSAGE.encode() + b"\xff" + MODEL_KEY.encode()),
        replies(200, f'{{"choices": [{{"message": {{"content": "{MESSAGE}'.encode()),
        says(MESSAGE),
        says(json.dumps(answer)),
        says(json.dumps({**answer, "perceived_difficulty": "hard", "topics": topics, MESSAGE: 1})),
    ]
