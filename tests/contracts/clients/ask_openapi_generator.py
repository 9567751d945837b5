"""Usage: ask URL IDEMPOTENCY_KEY FEEDBACK; prints the answer as the generated client decodes it."""

import json
import sys

from openapi_client import ApiClient, ApiException, Configuration, Feedback, FeedbackApi

url, key, feedback = sys.argv[1:]
with ApiClient(Configuration(host=url)) as client:
    try:
        update = FeedbackApi(client).take_feedback(Feedback.from_json(feedback), key)
    except ApiException as exc:
        print(json.dumps({"error": exc.data.to_dict()}))
    else:
        decided_by = type(update.strategy_snapshot.actual_instance).__name__
        print(json.dumps({"update": json.loads(update.to_json()), "decided_by": decided_by}))
