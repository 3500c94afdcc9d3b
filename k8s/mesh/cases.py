"""What has to come out of a gateway, whoever has configured it. Each case is a function whose name says what holds; it raises
AssertionError if that does not.
"""

import contextlib
import json
import re
import time

import calls
import node
from calls import Caller
from forms import Form
from outside import USAGE, Provider
from pod import Pod

HIDDEN = ("x-envoy", "x-forwarded", "x-farebox", "x-model", "x-real-ip", "x-caller")
"""Beginnings of names that no provider has any business with."""


class Site:
    """A gateway, and those behind it."""

    def __init__(self, caller: Caller, providers: dict[str, Provider], pods: list[Pod], form: Form):
        self.caller, self.providers, self.pods, self.form = caller, providers, pods, form
        self.inner = "Qwen/Qwen3-8B" if form.by_headers else "small"
        """A model in the mesh; with failover to one outside where there is any."""

    @property
    def pod(self) -> Pod:
        """The one that is called."""
        return self.pods[0]

    def lines(self) -> list[dict]:
        """What the pod has written for requests."""
        found = []
        for line in self.pod.log().splitlines():
            if line.startswith("{"):
                found.append(json.loads(line))
        return found

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
    left = ["x-envoy-original-host", "x-forwarded-host"] if site.form.by_headers else []
    told = [name for name in headers if name.startswith(HIDDEN) and name not in left]
    equal(told, [], "of what a provider need not know")


def a_model_in_the_mesh_answers(site: Site) -> None:
    before = site.caller.settled()
    answer = site.caller.chat(site.inner)
    equal((answer.status, site.asked()), (200, {"vllm": 1}), answer.text)
    host = "vllm.models.svc.cluster.local"
    host += "" if dict(site.providers["vllm"].seen[-1]["headers"])["host"] == host else ":8000"
    check_seen(site, "vllm", host, "Qwen/Qwen3-8B", None)
    site.caller.charged(before, "team", lambda tokens: tokens == USAGE["total_tokens"])


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
    equal(found[:2] + found[3:], [site.form.stranger, 404, 404])
    equal(found[2], 200 if site.form.by_headers else 402)
    equal(site.asked(), {"openai": 1} if site.form.by_headers else {})


def nobody_chooses_a_route(site: Site) -> None:
    for header in ("x_farebox_cluster", "x_farebox_backend"):
        status = site.caller.anonymous().chat(site.inner, None, **{header: "vllm"}).status
        assert status in (401, 403), status
        site.caller.chat("gpt-4o-mini", None, **{header: "vllm"})
    assert "vllm" not in site.asked(), site.asked()


def a_stream_comes_whole_and_is_charged(site: Site) -> None:
    before = site.caller.settled()
    for model in (site.inner, "gpt-4o-mini"):
        answer = site.caller.chat(model, {"stream": True})
        assert answer.is_whole, answer
        equal(answer.headers["content-type"], "text/event-stream")
    # By headers alone a stream is not asked for its usage: what it said is estimated.
    exactly = 2 * USAGE["total_tokens"]
    site.caller.charged(before, "team", lambda tokens: tokens > 0 if site.form.by_headers else tokens == exactly)


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


MEMBERS = {"time", "protocol", "status", "flags", "duration_ms", "bytes_received", "bytes_sent", "cluster", "attempts"}
"""What a line of the log has besides the filter's record."""


def each_request_has_its_line_in_the_log(site: Site) -> str:
    mark, begun = f"log-{time.monotonic()}", f"begun-{time.monotonic()}"
    site.caller.chat(site.inner, x_farebox_session=begun)
    is_first = lambda line: (line.get("farebox") or {}).get("session") == begun
    # Envoy writes lines a while after their requests, and in their order.
    before = node.wait("an empty log", lambda: next((at for at, line in enumerate(site.lines(), 1) if is_first(line)), 0), 30)
    chat = lambda model, caller=site.caller, **more: caller.chat(model, **more, x_farebox_session=mark).status
    inner, outer = chat(site.inner), chat("gpt-4o-mini", more={"stream": True})
    statuses = [inner, outer, chat("nonsense"), chat(site.inner, site.caller.anonymous())]
    if not site.form.by_headers:
        site.providers["vllm"].status = 503
        statuses.append(chat(site.inner))
    node.wait("their lines", lambda: len(site.lines()) >= before + len(statuses), 30)
    # One more, behind which nothing of those before can come.
    statuses.append(site.caller.get("/farebox/health").status)
    node.wait("its line", lambda: len(site.lines()) >= before + len(statuses), 30)
    lines = site.lines()[before:]
    equal([line["status"] for line in lines], statuses)
    for line in lines:
        equal(set(line) - {"details"}, MEMBERS | {"farebox"})
    records = [line["farebox"] for line in lines]
    told = [(record["model_requested"], record["provider"], record["outcome"], record["session"]) for record in records[:2]]
    equal(told, [(site.inner, "vllm", "ok", mark), ("gpt-4o-mini", "openai", "ok", mark)])
    equal([line["cluster"] for line in lines[:2]], [site.form.clusters[name] for name in ("vllm", "openai")])
    used = (USAGE["prompt_tokens"], USAGE["completion_tokens"])
    equal((records[0]["input_tokens"], records[0]["output_tokens"]), used)
    equal({record["team"] for record in records[:3]}, {site.form.team})
    if not site.form.by_headers:
        reasons = [attempt["reason"] for attempt in records[4]["attempts"]]
        equal((lines[4]["attempts"], lines[4]["cluster"], reasons), (2, site.form.clusters["openai"], ["status", "ok"]))
    return f"{len(lines)} lines of {len(lines)} requests"


METRICS = {"requests_total", "tokens_total", "cost_nano_usd_total", "usage_source_total", "request_duration_ms_count"}
METRICS |= {"time_to_first_token_ms_count", "denied_total"}
"""Those of README.md that are there after any traffic; others come with what they count."""


def statistics_are_there_by_their_names(site: Site) -> str:
    site.caller.chat(site.inner)
    wanted = METRICS if site.form.by_headers else METRICS | {"failed_attempts_total"}

    def missing() -> set[str]:
        page = site.pod.page(*site.form.metrics)
        names = {re.split("[{ ]", line)[0] for line in page.splitlines()}
        return {name for name in wanted if f"farebox_{name}" not in names}

    with contextlib.suppress(TimeoutError):
        node.wait("all metrics", lambda: not missing(), 10)
    equal(missing(), set(), "are missing")
    page = site.pod.page(*site.form.metrics)
    line = next(line for line in page.splitlines() if line.startswith("farebox_requests_total{"))
    for label in ("team", "model", "provider", "outcome"):
        assert f'{label}="' in line, line
    names = {line.split(":")[0] for line in site.pod.page(site.form.admin, "/stats", local=True).splitlines()}
    lost = [pattern for pattern in site.form.statistics if not any(re.fullmatch(pattern, name) for name in names)]
    equal(lost, [], "of Envoy's statistics that docs/runbook.md names")
    return f"{len(wanted)} metrics, {', '.join(site.form.statistics)}"


BY_HEADERS = [
    a_model_in_the_mesh_answers,
    a_provider_outside_answers_by_tls,
    who_may_not_is_refused_and_nobody_is_asked,
    nobody_chooses_a_route,
    a_stream_comes_whole_and_is_charged,
    two_megabytes_go_through,
    usage_is_told_to_its_key,
    each_request_has_its_line_in_the_log,
    statistics_are_there_by_their_names,
]
WHOLE = [*BY_HEADERS[:-2], a_failure_goes_on_to_the_next_provider_with_that_ones_key, *BY_HEADERS[-2:]]


def streams_end_though_the_pod_is_asked_to(site: Site, count: int = 200) -> None:
    """As long as `terminationGracePeriodSeconds` lasts, of which this waits 12 seconds."""
    site.heal()
    site.providers["vllm"].pieces, site.providers["vllm"].pause = 12, 1.0

    def during() -> None:
        deadline = time.monotonic() + 30
        while site.asked().get("vllm", 0) < count and time.monotonic() < deadline:
            time.sleep(0.1)
        equal(site.asked(), {"vllm": count})
        site.pod.terminate()

    answers = calls.many_streams(site.caller, count, site.inner, during)
    equal(sum(answer.is_whole for answer in answers), count, "streams came whole")
