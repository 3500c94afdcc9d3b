"""Is refused with the official OpenAI SDK in its default settings, and reports how the application learns of it."""

import json
import sys
import time

import openai

client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key=sys.argv[2])


def attempt(**request):
    started = time.monotonic()
    try:
        client.chat.completions.create(messages=[{"role": "user", "content": "hi"}], **request)
    except openai.APIStatusError as error:
        return {
            "class": type(error).__name__,
            "status": error.status_code,
            "code": error.code,
            "type": error.type,
            "message": error.message,
            "request_id": error.request_id,
            "seconds": time.monotonic() - started,
        }
    return None


print(
    json.dumps(
        {
            # First, because who is known to have nothing left is told so whatever comes next.
            "model": attempt(model="nonsense"),
            "budget": attempt(model="fast"),
            "streamed": attempt(model="fast", stream=True),
        }
    )
)
