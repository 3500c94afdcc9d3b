"""Talks to the gateway with the official Anthropic SDK as an application would, and reports what it saw."""

import json
import sys

from anthropic import Anthropic

client = Anthropic(base_url=sys.argv[1], api_key=sys.argv[2])
request = {
    "model": "fast",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "Where does the tram go?"}],
}

plain = client.messages.create(**request)
with client.messages.stream(**request) as stream:
    text = "".join(stream.text_stream)
    final = stream.get_final_message()
request.pop("max_tokens")
counted = client.messages.count_tokens(**request)

print(
    json.dumps(
        {
            "plain": plain.content[0].text,
            "usage": [plain.usage.input_tokens, plain.usage.output_tokens],
            "streamed": text,
            "streamed_usage": [final.usage.input_tokens, final.usage.output_tokens],
            "counted": counted.input_tokens,
        }
    )
)
