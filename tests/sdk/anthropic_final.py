"""Is refused for good with the official Anthropic SDK in its default settings, and reports how the application learns of it."""

import json
import sys
import time

import anthropic

client = anthropic.Anthropic(base_url=sys.argv[1], api_key=sys.argv[2])
messages = [{"role": "user", "content": "hi"}]


def attempt(call):
    started = time.monotonic()
    try:
        call()
    except anthropic.APIStatusError as error:
        return {
            "class": type(error).__name__,
            "status": error.status_code,
            "denied": error.response.headers.get("x-farebox-denied"),
            "message": error.message,
            "seconds": time.monotonic() - started,
        }
    return None


def ask(model, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda: client.messages.create(
        model=model, max_tokens=5, messages=messages, extra_headers=headers
    )


def page(query):
    return lambda: client.get("/farebox/usage?" + query, cast_to=object)


attempts = {
    "size": ask("tiny", x_farebox_session="one"),
    "spent": ask("spent", x_farebox_session="one"),
    "unnamed": ask("fast"),
    "admin": page("team=ads"),
    "query": page("teem=ads"),
}
print(json.dumps({name: attempt(call) for name, call in attempts.items()}))
