#!/usr/bin/env bash
# Which libraries over OpenAI's Python SDK ask it for raw responses? It then sends `x-stainless-raw-response`, which a proxy sees.
#
# Guessed right: litellm does for every call, and Pydantic AI for none.
# Guessed wrong: that langchain-openai does for all its chats: for those that stream it does not. That OpenAI's Agents SDK never
#   does: for Responses that stream it does, and the header then says `stream` where the others say `true`.
# Not guessed: langchain-openai does not for embeddings.
# Therefore: a call that has the header was made by code that asks for raw responses, and the lack of it says nothing.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install openai==3.57.0 langchain-openai==1.7.4 litellm==1.110.2 'pydantic-ai-slim[openai]==2.68.0' openai-agents==0.24.0
cat > ask.py <<'E'
import asyncio, http.server, json, threading
from openai import AsyncOpenAI

raw = []

class Stub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        """Answers with one word, streamed or whole."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        raw.append(self.headers.get("x-stainless-raw-response") or "-")
        chat = "chat" in self.path
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        same = {"id": "c", "created": 1, "model": "gpt-5.5"}
        message = {"role": "assistant", "content": "word"}
        if "embeddings" in self.path:
            answer = {"object": "list", "model": "e", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}], "usage": usage}
        elif not chat:
            part = {"type": "output_text", "text": "word", "annotations": []}
            item = {"id": "m", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
            used = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2, "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
            answer = {"id": "r", "object": "response", "created_at": 1, "model": "gpt-5.5", "status": "completed", "output": [item], "usage": used}
            answer |= {"parallel_tool_calls": False, "tool_choice": "auto", "tools": []}
            at = {"output_index": 0, "content_index": 0, "item_id": "m", "logprobs": []}
            events = [{"type": "response.created", "response": {**answer, "output": []}}, {"type": "response.output_item.added", **at, "item": {**item, "content": []}},
                      {"type": "response.content_part.added", **at, "part": {**part, "text": ""}}, {"type": "response.output_text.delta", **at, "delta": "word"},
                      {"type": "response.output_item.done", **at, "item": item}, {"type": "response.completed", "response": answer}]
        elif body.get("stream"):
            events = [{**same, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": message, "finish_reason": "stop"}]}]
        else:
            answer = {**same, "object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}
        if body.get("stream"):
            text = "".join(f"data: {json.dumps({'sequence_number': number, **event})}\n\n" for number, event in enumerate(events)) + "data: [DONE]\n\n" * chat
        else:
            text = json.dumps(answer)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if body.get("stream") else "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stub)
threading.Thread(target=server.serve_forever, daemon=True).start()
BASE, KEY, MODEL = f"http://127.0.0.1:{server.server_address[1]}/v1", "key", "gpt-5.5"
MESSAGES = [{"role": "user", "content": "Hello."}]

def langchain():
    from langchain_openai import ChatOpenAI, OpenAIEmbeddings
    for kind, responses in (("chat", False), ("responses", True)):
        model = ChatOpenAI(model=MODEL, base_url=BASE, api_key=KEY, use_responses_api=responses)
        yield f"{kind} whole", lambda: model.invoke("Hello.")
        yield f"{kind} streamed", lambda: list(model.stream("Hello."))
    embeddings = OpenAIEmbeddings(model="e", base_url=BASE, api_key=KEY, check_embedding_ctx_length=False)
    yield "embeddings", lambda: embeddings.embed_query("Hello.")

def litellm():
    import litellm
    same = {"api_base": BASE, "api_key": KEY}
    yield "chat whole", lambda: litellm.completion("openai/" + MODEL, MESSAGES, **same)
    yield "chat streamed", lambda: list(litellm.completion("openai/" + MODEL, MESSAGES, stream=True, **same))
    yield "embeddings", lambda: litellm.embedding("openai/e", ["Hello."], **same)

def pydantic_ai():
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider
    async def run(model, stream):
        async with AsyncOpenAI(base_url=BASE, api_key=KEY) as client:
            agent = Agent(model(MODEL, provider=OpenAIProvider(openai_client=client)))
            if not stream:
                return await agent.run("Hello.")
            async with agent.run_stream("Hello.") as answer:
                await answer.get_output()
    for kind, model in (("chat", OpenAIChatModel), ("responses", OpenAIResponsesModel)):
        for stream in (False, True):
            yield f"{kind} {'streamed' if stream else 'whole'}", lambda: asyncio.run(run(model, stream))

def openai_agents():
    import agents
    agents.set_tracing_disabled(True)
    async def run(model, stream):
        async with AsyncOpenAI(base_url=BASE, api_key=KEY) as client:
            agent = agents.Agent(name="a", model=model(MODEL, client))
            if not stream:
                return await agents.Runner.run(agent, "Hello.")
            async for _ in agents.Runner.run_streamed(agent, "Hello.").stream_events():
                pass
    for kind, model in (("chat", agents.OpenAIChatCompletionsModel), ("responses", agents.OpenAIResponsesModel)):
        for stream in (False, True):
            yield f"{kind} {'streamed' if stream else 'whole'}", lambda: asyncio.run(run(model, stream))

for library in (langchain, litellm, pydantic_ai, openai_agents):
    for name, call in library():
        raw.clear()
        call()
        print(library.__name__, name, *raw)
E
LITELLM_LOCAL_MODEL_COST_MAP=True venv/bin/python ask.py 2> log | tee seen || { tail -5 log >&2; exit 1; }
diff - seen <<'E' || { echo "no longer so" >&2; exit 1; }
langchain chat whole true
langchain chat streamed -
langchain responses whole true
langchain responses streamed -
langchain embeddings -
litellm chat whole true
litellm chat streamed true
litellm embeddings true
pydantic_ai chat whole -
pydantic_ai chat streamed -
pydantic_ai responses whole -
pydantic_ai responses streamed -
openai_agents chat whole -
openai_agents chat streamed -
openai_agents responses whole -
openai_agents responses streamed stream
E
echo "as it was found"
