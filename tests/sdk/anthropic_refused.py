"""Is refused with the official Anthropic SDK in its default settings, and reports how the application learns of it."""

import json
import sys
import time

import anthropic

client = anthropic.Anthropic(base_url=sys.argv[1], api_key=sys.argv[2])


def attempt(model):
    started = time.monotonic()
    try:
        client.messages.create(model=model, max_tokens=8, messages=[{"role": "user", "content": "hi"}])
    except anthropic.APIStatusError as error:
        return {
            "class": type(error).__name__,
            "status": error.status_code,
            "type": error.body["error"]["type"],
            "message": error.body["error"]["message"],
            "request_id": error.request_id,
            "seconds": time.monotonic() - started,
        }
    return None


# The model first, because who is known to have nothing left is told so whatever comes next.
print(json.dumps({"model": attempt("nonsense"), "budget": attempt("fast")}))
