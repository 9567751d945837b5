"""Usage: ask URL IDEMPOTENCY_KEY FEEDBACK; prints the answer as the generated client decodes it."""

import json
import sys

from mentor_function_client import Client
from mentor_function_client.api.feedback import take_feedback
from mentor_function_client.models import Error, Feedback

url, key, text = sys.argv[1:]
feedback = Feedback.from_dict(json.loads(text))
with Client(base_url=url) as client:
    answer = take_feedback.sync(client=client, body=feedback, idempotency_key=key)
if isinstance(answer, Error):
    print(json.dumps({"error": answer.to_dict()}))
else:
    decided_by = type(answer.strategy_snapshot).__name__
    print(json.dumps({"update": answer.to_dict(), "decided_by": decided_by}))
