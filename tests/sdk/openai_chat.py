"""Talks to the gateway with the official OpenAI SDK as an application would, and reports what it saw."""

import json
import sys

from openai import OpenAI

client = OpenAI(base_url=sys.argv[1] + "/v1", api_key=sys.argv[2])
messages = [{"role": "user", "content": "Where does the tram go?"}]

plain = client.chat.completions.create(model="fast", messages=messages)
chunks = list(client.chat.completions.create(model="fast", messages=messages, stream=True))
asked = list(
    client.chat.completions.create(
        model="fast", messages=messages, stream=True, stream_options={"include_usage": True}
    )
)
response = client.responses.create(model="fast", input="Where does the tram go?")
embedding = client.embeddings.create(model="fast", input="tram")

print(
    json.dumps(
        {
            "plain": plain.choices[0].message.content,
            "usage": [plain.usage.prompt_tokens, plain.usage.completion_tokens],
            "streamed": "".join(c.choices[0].delta.content or "" for c in chunks),
            "usage_chunks": sum(1 for c in chunks if c.usage is not None),
            "asked_usage": [c.usage.total_tokens for c in asked if c.usage is not None],
            "response": response.output_text,
            "embedding": embedding.data[0].embedding,
            "models": [model.id for model in client.models.list()],
        }
    )
)
