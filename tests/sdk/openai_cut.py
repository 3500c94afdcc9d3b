"""Streams with the official OpenAI SDK until the gateway ends the answer, and reports how the application learns of it."""

import json
import sys
import time

from openai import OpenAI

client = OpenAI(base_url=sys.argv[1] + "/v1", api_key=sys.argv[2])


def attempt(session, stream):
    """`stream` makes the SDK's stream with these headers and yields texts, or the error event there is."""
    started, text, seen = time.monotonic(), "", {"class": None, "message": None}
    try:
        for piece in stream({"x-farebox-session": session}):
            if isinstance(piece, str):
                text += piece
            else:
                seen = {"class": piece.type, "message": piece.message}
    except Exception as error:
        name = type(error).__name__
        if seen["class"]:
            seen["after"] = name
        else:
            seen = {"class": name, "message": str(error)}
    return {**seen, "words": text.count("tram"), "seconds": time.monotonic() - started}


def chat(headers):
    messages = [{"role": "user", "content": "Where does the tram go?"}]
    for chunk in client.chat.completions.create(
        model="fast", messages=messages, stream=True, extra_headers=headers
    ):
        yield chunk.choices[0].delta.content or ""


def responses(headers):
    for event in client.responses.create(model="fast", input="Where to?", stream=True, extra_headers=headers):
        if event.type == "response.output_text.delta":
            yield event.delta
        elif event.type == "error":
            yield event


print(json.dumps({"chat": attempt("sdk-chat", chat), "responses": attempt("sdk-responses", responses)}))
