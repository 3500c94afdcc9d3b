"""What has to come out of a gateway, whoever has configured it. Each case is a function whose name says what holds; it raises
AssertionError if that does not.
"""

import json
import time
from collections.abc import Callable

import calls
from calls import Caller
from outside import USAGE, Provider

HIDDEN = ("x-envoy", "x-forwarded", "x-farebox", "x-model", "x-real-ip", "x-caller")
"""Beginnings of names that no provider has any business with."""


class Site:
    """A gateway, and those behind it."""

    def __init__(self, caller: Caller, providers: dict[str, Provider]):
        self.caller, self.providers = caller, providers
        self.rejections: Callable[[], list[str]] = list
        """What the proxy says of configurations that it refused."""
        self.inner = "Qwen/Qwen3-8B" if caller.by_headers else "small"
        """A model in the mesh; with failover to one outside where there is any."""

    def heal(self) -> None:
        """As it was at first."""
        for provider in self.providers.values():
            provider.heal()

    def asked(self) -> dict[str, int]:
        """How often each provider was asked."""
        return {name: len(provider.seen) for name, provider in self.providers.items() if provider.seen}


def equal(found, wanted, what: object = "") -> None:
    """Says both if they differ."""
    assert found == wanted, f"{found!r} and not {wanted!r} {what}"


def check_seen(site: Site, provider: str, host: str, model: str, key: str | None) -> None:
    """What a provider was asked is meant for it, and tells nothing of the caller."""
    seen = site.providers[provider].seen[-1]
    headers = dict(seen["headers"])
    equal((headers["host"], seen["body"]["model"]), (host, model))
    equal(headers.get("authorization"), key and f"Bearer {key}")
    # Where the route is not ours, whoever writes it has the router say which host the caller named.
    left = ["x-envoy-original-host", "x-forwarded-host"] if site.caller.by_headers else []
    told = [name for name in headers if name.startswith(HIDDEN) and name not in left]
    equal(told, [], "of what a provider need not know")


def a_model_in_the_mesh_answers(site: Site) -> None:
    before = site.caller.spent()["tokens"]
    answer = site.caller.chat(site.inner)
    equal((answer.status, site.asked()), (200, {"vllm": 1}), answer.text)
    host = "vllm.models.svc.cluster.local"
    host += "" if dict(site.providers["vllm"].seen[-1]["headers"])["host"] == host else ":8000"
    check_seen(site, "vllm", host, "Qwen/Qwen3-8B", None)
    equal(site.caller.spent()["tokens"] - before, USAGE["total_tokens"], "tokens were charged")


def a_provider_outside_answers_by_tls(site: Site) -> None:
    answer = site.caller.chat("gpt-4o-mini")
    equal((answer.status, site.asked()), (200, {"openai": 1}), answer.text)
    check_seen(site, "openai", "api.openai.com", "gpt-4o-mini", "replace-me")


def who_may_not_is_refused_and_nobody_is_asked(site: Site) -> None:
    found = [
        site.caller.anonymous().chat(site.inner).status,
        site.caller.chat("nonsense").status,
        site.caller.chat("gpt-4o-mini", {"max_tokens": 4_000, "n": 600_000}).status,
        site.caller.send("GET", "/v1/files").status,
    ]
    # By headers alone nothing is known of `max_tokens`.
    equal(found[:2] + found[3:], [401, 404, 404])
    equal(found[2], 200 if site.caller.by_headers else 402)
    equal(site.asked(), {"openai": 1} if site.caller.by_headers else {})


def nobody_chooses_a_route(site: Site) -> None:
    for header in ("x_farebox_cluster", "x_farebox_backend"):
        status = site.caller.anonymous().chat(site.inner, None, **{header: "vllm"}).status
        assert status in (401, 403), status
        site.caller.chat("gpt-4o-mini", None, **{header: "vllm"})
    assert "vllm" not in site.asked(), site.asked()


def a_stream_comes_whole_and_is_charged(site: Site) -> None:
    before = site.caller.spent()["tokens"]
    for model in (site.inner, "gpt-4o-mini"):
        answer = site.caller.chat(model, {"stream": True})
        assert answer.is_whole, answer
        equal(answer.headers["content-type"], "text/event-stream")
    after = site.caller.spent()["tokens"]
    # By headers alone a stream is not asked for its usage: what it said is estimated.
    assert after - before == 2 * USAGE["total_tokens"] or (site.caller.by_headers and after > before), after - before


def two_megabytes_go_through(site: Site) -> None:
    equal(site.caller.chat("gpt-4o-mini", {"pad": "x" * 2_000_000}).status, 200)


def a_failure_goes_on_to_the_next_provider_with_that_ones_key(site: Site) -> None:
    for status in (503, 429):
        site.heal()
        site.providers["vllm"].status = status
        equal((site.caller.chat("small").status, site.asked()), (200, {"vllm": 1, "openai": 1}), status)
        check_seen(site, "openai", "api.openai.com", "gpt-4o-mini", "replace-me")
        # What is in cooldown now is asked again a little later.
        time.sleep(0.1)


def usage_is_told_to_its_key(site: Site) -> None:
    budgets = json.loads(site.caller.get("/farebox/usage").text)["budgets"]
    equal([one["name"] for one in budgets], ["org", "team", "key"])
    equal(site.caller.anonymous().get("/farebox/health").status, 200)


BY_HEADERS = [
    a_model_in_the_mesh_answers,
    a_provider_outside_answers_by_tls,
    who_may_not_is_refused_and_nobody_is_asked,
    nobody_chooses_a_route,
    a_stream_comes_whole_and_is_charged,
    two_megabytes_go_through,
    usage_is_told_to_its_key,
]
WHOLE = [*BY_HEADERS, a_failure_goes_on_to_the_next_provider_with_that_ones_key]


def streams_end_though_the_pod_is_asked_to(site: Site, ask_to_end, count: int = 200) -> None:
    """As long as `terminationGracePeriodSeconds` lasts, of which this waits 12 seconds."""
    site.heal()
    site.providers["vllm"].pieces, site.providers["vllm"].pause = 12, 1.0

    def during() -> None:
        deadline = time.monotonic() + 30
        while site.asked().get("vllm", 0) < count and time.monotonic() < deadline:
            time.sleep(0.1)
        equal(site.asked(), {"vllm": count})
        ask_to_end()

    answers = calls.many_streams(site.caller, count, site.inner, during)
    equal(sum(answer.is_whole for answer in answers), count, "streams came whole")
