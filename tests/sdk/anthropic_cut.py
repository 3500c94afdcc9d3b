"""Streams with the official Anthropic SDK until the gateway ends the answer, and reports how the application learns of it."""

import json
import sys
import time

import anthropic

client = anthropic.Anthropic(base_url=sys.argv[1], api_key=sys.argv[2])
request = {
    "model": "fast",
    "max_tokens": 10,
    "messages": [{"role": "user", "content": "Where does the tram go?"}],
}


def attempt(session, stream):
    started, text, seen = time.monotonic(), "", {"class": None, "message": None}
    try:
        for piece in stream({"x-farebox-session": session}):
            text += piece
    except anthropic.APIError as error:
        seen = {"class": type(error).__name__, "message": str(error)}
    except Exception as error:
        seen = {"class": "unexpected " + type(error).__name__, "message": str(error)}
    return {**seen, "words": text.count("tram"), "seconds": time.monotonic() - started}


def raw(headers):
    for event in client.messages.create(stream=True, extra_headers=headers, **request):
        if event.type == "content_block_delta":
            yield event.delta.text


def helper(headers):
    with client.messages.stream(extra_headers=headers, **request) as stream:
        yield from stream.text_stream


print(json.dumps({"raw": attempt("sdk-raw", raw), "helper": attempt("sdk-helper", helper)}))
