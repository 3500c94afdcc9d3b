"""Calls through a gateway, and what came of them."""

import concurrent.futures
import http.client
import json
import time
from dataclasses import dataclass, field

import node

KEY = "fb_demo_tryit-0000000000"


@dataclass
class Answer:
    """What a caller got."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def is_whole(self) -> bool:
        """Whether a stream has come to its end."""
        return self.status == 200 and "data: [DONE]" in self.text


@dataclass
class Caller:
    """Somebody who calls a gateway: from the same network, or inside a pod beside its sidecar."""

    address: str
    port: int
    host: str = "ai.example.com"
    pod: int | None = None
    """The process whose network the calls are made in."""
    by_headers: bool = False
    """The model has to be in a header too."""
    headers: dict[str, str] = field(default_factory=lambda: {"authorization": f"Bearer {KEY}"})
    quiet: int = 2
    """How often counters have to say the same until that is believed."""
    passed: list[str] = field(default_factory=list)
    """The models of chats that were answered, for this caller and for all that are made of it."""

    def send(self, method: str, path: str, body: str | None = None, **headers: str) -> Answer:
        """One request."""
        connection = http.client.HTTPConnection(self.address, self.port, timeout=60)
        if self.pod:
            node.inside(self.pod, connection.connect)
        all_headers = {"host": self.host, "content-type": "application/json"} | self.headers
        all_headers |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body=body, headers=all_headers)
        answer = connection.getresponse()
        try:
            text = answer.read().decode(errors="replace")
        except http.client.IncompleteRead as cut:
            text = cut.partial.decode(errors="replace")
        connection.close()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)

    def chat(self, model: str, more: dict | None = None, **headers: str) -> Answer:
        """A chat completion."""
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]} | (more or {})
        if self.by_headers:
            headers.setdefault("x_model", model)
        answer = self.send("POST", "/v1/chat/completions", json.dumps(body), **headers)
        if answer.status == 200:
            self.passed.append(model)
        return answer

    def get(self, path: str) -> Answer:
        """A page."""
        return self.send("GET", path)

    def anonymous(self) -> "Caller":
        """The same without a key."""
        return self.but(headers={})

    def but(self, **changes) -> "Caller":
        """The same with other members."""
        return Caller(**(self.__dict__ | changes))

    def spent(self, budget: str = "team") -> dict:
        """What a budget of the caller's has spent."""
        budgets = json.loads(self.get("/farebox/usage").text)["budgets"]
        return next(one for one in budgets if one["name"] == budget)["spent"]

    def settled(self, budget: str = "team") -> dict:
        """The same, once all that was let through is counted. What another worker or another pod has spent, whoever answers
        here learns from the ledger a moment later.
        """

        last: list[dict] = []

        def is_all() -> dict | None:
            last.append(self.spent(budget))
            # More than was answered may be counted: what no route was for, the filter had let through. So it has to stay.
            is_quiet = len(last) >= self.quiet and all(one == last[-1] for one in last[-self.quiet :])
            return last[-1] if is_quiet and last[-1]["requests"] >= len(self.passed) else None

        try:
            return node.wait("all to be counted", is_all, 20)
        except TimeoutError:
            raise AssertionError(f"{self.spent(budget)} and not {len(self.passed)} requests were counted") from None

    def charged(self, before: dict, budget: str, is_right) -> None:
        """Waits until what was spent since then is right."""
        found: list[int] = []

        def is_it() -> bool:
            found.append(self.spent(budget)["tokens"] - before["tokens"])
            return is_right(found[-1])

        try:
            node.wait("a charge", is_it, 20)
        except TimeoutError:
            raise AssertionError(f"{found[-1]} tokens were charged") from None


def many_streams(caller: Caller, count: int, model: str, during) -> list[Answer]:
    """Streams at the same time; `during()` happens once all of them have begun."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        running = [pool.submit(caller.chat, model, {"stream": True}) for _ in range(count)]
        during()
        return [one.result() for one in running]


def until(caller: Caller, model: str, status: int, seconds: float = 60) -> float:
    """Waits until a chat is answered with this status. How long it took."""
    begun = time.monotonic()

    def holds() -> bool:
        try:
            return caller.chat(model).status == status
        except http.client.HTTPException:
            return False

    node.wait(f"a chat with {model} answered with {status}", holds, seconds, 0.3)
    return time.monotonic() - begun
