"""Sends a body with an official SDK: `.venv-models/bin/python sdk.py PROVIDER URL KEY <BODY`.

Prints the URL that the SDK uses without one. An SDK of Python takes the body's keys as arguments,
and raises TypeError for a key that it does not know.
"""

import json
import sys

import anthropic
import openai

provider, url, key = sys.argv[1:]
body = json.load(sys.stdin)
if provider == "openai":
    openai.OpenAI(base_url=url, api_key=key).chat.completions.create(**body)
    print(openai.OpenAI(api_key=key).base_url)
else:
    anthropic.Anthropic(base_url=url, api_key=key).messages.create(**body)
    print(anthropic.Anthropic(api_key=key).base_url)
