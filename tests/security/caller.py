"""A student whose requests fail in every way, and who keeps all answers."""

import json
import socket
import uuid
from contextlib import suppress
from typing import Any

from tests.hosts.issuer import Issuer
from tests.instance import PATH, Answer, Instance
from tests.llm.server import ModelServer
from tests.security.canary import IDEMPOTENCY_KEY, MESSAGE, METRICS_TOKEN, TASK, TOKEN
from tests.security.model import behaviors

PAGES = (
    *("/", "/docs", "/openapi.json", "/metrics", "/nothing", "/health/startup"),
    *("/health/liveness", "/health/ready", "/_/health", "/_/ready", "/debug/pprof", "/.env"),
)
BINARY = {
    "ce-specversion": "1.0",
    "ce-type": "mentor.feedback.submitted",
    "ce-source": f"/{TASK}",
    "ce-id": IDEMPOTENCY_KEY,
    "content-type": "application/json",
}


class Caller:
    """Sends requests as a student, and keeps all answers."""

    def __init__(self, function: Instance, issuer: Issuer) -> None:
        self.function = function
        self.student = str(uuid.uuid4())
        self.token = issuer.key.token(self.student, note=TOKEN)
        self.answers: list[Answer] = []

    def send(self, body: bytes, path: str = PATH, **headers: str) -> int:
        sent = {"Authorization": f"Bearer {self.token}", **headers}
        answer = self.function.request("POST", path, body, sent)
        self.answers.append(answer)
        return answer.status

    def post(self, headers: dict[str, str] | None = None, **changes: object) -> int:
        feedback = {"student_id": self.student, "task_id": TASK, "message": f"{MESSAGE} too hard"}
        return self.send(json.dumps({**feedback, **changes}).encode(), **(headers or {}))

    def raw(self, data: bytes) -> None:
        """Send bytes, read what comes, and disconnect."""
        with socket.create_connection(("127.0.0.1", self.function.port), 10) as client:
            client.sendall(data.replace(b"\n", b"\r\n"))
            client.shutdown(socket.SHUT_WR)
            with suppress(OSError):
                self.answers.append(Answer(0, {}, client.recv(65536)))

    def outputs(self) -> dict[str, bytes]:
        return {f"answer {answer.body[:40]!r}": repr(answer).encode() for answer in self.answers}


def read_pages(caller: Caller) -> None:
    for page in PAGES:
        for authorization in (f"Bearer {METRICS_TOKEN}", f"Bearer {TOKEN}"):
            query = f"?access_token={TOKEN}&message={MESSAGE}"
            headers = {"Authorization": authorization, "Cookie": TOKEN}
            answer = caller.function.request("GET", page + query, headers=headers)
            caller.answers.append(answer)


def refuse_callers(caller: Caller) -> None:
    header, payload, signature = caller.token.split(".")
    bad = [TOKEN, f"{header}.{payload}.{TOKEN}", f"{header}.{TOKEN}.{signature}", ""]
    statuses = [caller.post({"Authorization": f"Bearer {token}"}) for token in bad]
    statuses.append(caller.post({"Authorization": f"Basic {TOKEN}"}))
    assert statuses == [401] * 5
    assert caller.post(student_id=str(uuid.uuid4())) == 403
    assert caller.post({"Origin": f"https://{TOKEN}.example"}) == 403


def refuse_requests(caller: Caller) -> None:
    words: Any
    assert caller.post({"Idempotency-Key": IDEMPOTENCY_KEY}) == 200
    assert caller.post({"Idempotency-Key": IDEMPOTENCY_KEY}, message=f"{MESSAGE} again") == 422
    for words in (f"{MESSAGE}\0", [MESSAGE], {MESSAGE: 1}, None, MESSAGE * 400):
        assert caller.post(message=words) == 400
        assert caller.post(task_id=words or "", student_id=words) == 400
    whole = f'{{"message": "{MESSAGE}", "task_id": {TASK}'.encode()
    for body in (whole, b"\xff" + whole, b"[" * 2000 + whole, whole * 2000):
        assert caller.send(body) in (400, 413)
    assert caller.send(whole, **BINARY) == 400
    assert caller.send(b"", **{**BINARY, "ce-type": MESSAGE}) == 400
    structured = {"specversion": MESSAGE, "id": TASK, "data": {"message": MESSAGE}, MESSAGE: 1}
    for kind in ("cloudevents+json", "cloudevents-batch+json", "cloudevents+xml"):
        headers = {"Content-Type": f"application/{kind}"}
        assert caller.send(json.dumps([structured, structured]).encode(), **headers) in (400, 415)
    assert caller.send(whole, **{"Content-Encoding": "gzip"}) == 415
    head = f"POST {PATH}?{MESSAGE} HTTP/1.1\nHost: x\nAuthorization: Bearer {caller.token}\n"
    for rest in (f"Content-Length: 900\n\n{MESSAGE}", f"{MESSAGE}\n\n", f"Bad\x01: {TOKEN}\n\n"):
        caller.raw(f"{head}{rest}".encode())
    caller.raw(f"{MESSAGE} {TOKEN}\n\n".encode())


def refuse_rows(caller: Caller) -> None:
    assert caller.post(task_id=f"{TASK} once") == 200
    assert [caller.post(task_id=f"{TASK} {why}") for why in ("told", "check", "once")] == [500] * 3
    assert [caller.post(task_id=f"{TASK} {why}") for why in ("slow", "full")] == [503] * 2


def mislead(caller: Caller, model: ModelServer, elsewhere: str) -> None:
    """Each answer that blames the provider is followed by one that clears it."""
    good = model.behavior
    for behavior in behaviors(elsewhere):
        model.behavior = behavior
        assert caller.post() == 200
        model.behavior = good
        assert caller.post() == 200
    assert len(model.requests) > 2 * len(behaviors(elsewhere))
