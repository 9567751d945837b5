"""The stock function: Flask, and the same row by pg8000 over a connection for each thread."""

import json
import os
import threading
from urllib.parse import urlsplit

import flask
import functions_framework
from pg8000.native import Connection

INSERT = """
INSERT INTO feedback (student_id, task_id, message, perceived_difficulty, difficulty_adjustment,
                      topic_weights, sentiment, strategy_snapshot, traceparent)
VALUES (:student_id, :task_id, :message, 'ok', 0,
        :topic_weights, 'neutral', :snapshot, :traceparent)
RETURNING created_at
"""
WEIGHTS = {"general": 1.0}
SNAPSHOT = {"difficulty_weight": 1.0, "feedback_based": True, "sentiment": "neutral"}

database = urlsplit(os.environ["DATABASE_URL"])
local = threading.local()


@functions_framework.http
def feedback(request: flask.Request) -> flask.typing.ResponseReturnValue:
    """Store the feedback and answer with the strategy."""
    if not hasattr(local, "connection"):
        local.connection = Connection(
            database.username,
            host=database.hostname,
            port=database.port,
            database=database.path.removeprefix("/"),
        )
    body = request.get_json()
    [[created_at]] = local.connection.run(
        INSERT,
        student_id=body["student_id"],
        task_id=body["task_id"],
        message=body["message"],
        topic_weights=json.dumps(WEIGHTS),
        snapshot=json.dumps(SNAPSHOT),
        traceparent=request.headers["traceparent"],
    )
    return {
        "student_id": body["student_id"],
        "task_id": body["task_id"],
        "difficulty_adjustment": 0.0,
        "topic_weights": WEIGHTS,
        "sentiment": "neutral",
        "strategy_snapshot": SNAPSHOT,
        "timestamp": created_at.isoformat(),
    }
