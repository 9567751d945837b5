"""Send feedback until it is stored: python3 examples/client.py URL STUDENT TASK MESSAGE."""

import json
import sys
import time
import uuid
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen


def send(url: str, feedback: dict[str, str], attempts: int = 8) -> dict[str, Any]:
    """Return the strategy. All attempts use one key, so a repeat creates no second row."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    request = Request(url, json.dumps(feedback).encode(), headers)
    for attempt in range(attempts):
        wait = 2**attempt  # seconds, unless the answer has Retry-After
        try:
            with urlopen(request, timeout=30) as answer:
                return dict(json.load(answer))
        except HTTPError as error:
            if error.code not in {408, 429, 502, 503, 504}:
                raise
            told = error.headers.get("Retry-After", "")
            wait = int(told) if told.isdecimal() else wait
        except (OSError, HTTPException, ValueError):
            pass  # the answer is lost, but the feedback may be stored
        if attempt + 1 < attempts:
            time.sleep(min(wait, 60))
    raise TimeoutError(f"{url} did not store the feedback in {attempts} attempts")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    address, student, task, message = sys.argv[1:]
    words = {"student_id": student, "task_id": task, "message": message}
    print(json.dumps(send(address, words)))
