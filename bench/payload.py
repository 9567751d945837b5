"""The feedback that all contenders store, and the row that they must insert for it."""

import json

PATH = "/api/v1/feedback"
STUDENTS = 1000  # the students' ids are 1 to 1000, in 32 digits

# Column and value, as PostgreSQL's literal. The rows differ in id, student, time and trace.
ROW = {
    "task_id": "task-123",
    "message": "I got stuck at the second step: why does the sign change there?",
    "perceived_difficulty": "ok",
    "difficulty_adjustment": "0",
    "topic_weights": '{"general": 1.0}',
    "sentiment": "neutral",
    "strategy_snapshot": (
        '{"sentiment": "neutral", "feedback_based": true, "difficulty_weight": 1.0}'
    ),
}
# https://www.w3.org/TR/trace-context/: most platforms send one with each request. Each student has
# a trace, whose id ends in 16 digits of its own.
TRACEPARENT = "00-4bf92f3577b34da6%s-00f067aa0ba902b7-01"


def body(student: str) -> str:
    """The JSON that a client posts."""
    feedback = {"student_id": student, "task_id": ROW["task_id"], "message": ROW["message"]}
    return json.dumps(feedback)


def post() -> bytes:
    """A complete request that closes its connection."""
    content = body(f"{1:032}").encode()
    return (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        f"traceparent: {TRACEPARENT % 'a3ce929d0e0e4736'}\r\n\r\n"
    ).encode() + content


def get(path: str) -> bytes:
    """A request without a body that closes its connection."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
