"""What differs between the folders below k8s/ for whoever looks at a gateway from outside: where it is, what it calls things, and what
it does when something is missing.
"""

from dataclasses import dataclass

ISTIO, GATEWAY = "farebox-istio", "farebox"
"""What Istio and Envoy Gateway call the Deployment that they make of the Gateway `farebox`. Ours is called as theirs."""
LEDGER = (r"cluster\.ledger\.upstream_cx_connect_fail",)
LDS = r"listener_manager\.lds\.update_rejected"


@dataclass(frozen=True)
class Form:
    """One way to have Farebox."""

    host: str
    deployment: str
    port: int
    admin: int
    metrics: tuple[int, str]
    clusters: dict[str, str]
    statistics: tuple[str, ...]
    """Expressions for what docs/runbook.md names of Envoy's own statistics."""
    by_headers: bool = False
    stranger: int = 401
    """The status for whoever has no key."""
    team: str = "search"
    is_sidecar: bool = False
    counts_in_ledger: bool = False
    in_place: bool = True
    """Whether a pod that runs gets another module."""
    without_module: tuple[int, int | None] = (200, 500)
    """The status for whom a pod serves that had a module and is told of one that is not there, and a pod that starts with that;
    None if it does not start."""


def of(folder: str) -> Form:
    """That of a folder."""
    host, name = folder.split("/")
    by_headers = name in ("wasm-plugin", "traffic-extension", "sidecar-plugin", "extension-policy")
    ledger = name == "ledger"
    if host == "istio":
        sidecar = name.startswith("sidecar")
        model, openai = "outbound|8000||vllm.models.svc.cluster.local", "outbound|443||api.openai.com"
        return Form(
            host,
            "application" if sidecar else ISTIO,
            8788 if sidecar else 80,
            15000,
            (15020, "/stats/prometheus"),
            {"vllm": model, "openai": openai},
            (LDS, r"extension_config_discovery\..*farebox.*\.config_fail", *(LEDGER if ledger else ())),
            by_headers=by_headers,
            stranger=403 if name == "jwt" else 401,
            team="platform" if name == "jwt" else "search",
            is_sidecar=sidecar,
            counts_in_ledger=ledger,
            without_module=(403, 403) if by_headers else (200, 500),
        )
    if host == "envoy-gateway":
        rule = "httproute/farebox/farebox/rule"
        return Form(
            host,
            GATEWAY,
            10080,
            19000,
            (19001, "/stats/prometheus"),
            {"vllm": f"{rule}/2", "openai": f"{rule}/0"},
            (LDS, *(LEDGER if ledger else ())),
            by_headers=by_headers,
            counts_in_ledger=ledger,
            in_place=by_headers,
            without_module=(500, 500) if by_headers else (200, None),
        )
    return Form(
        host,
        GATEWAY,
        10000,
        9901,
        (9902, "/stats/prometheus"),
        {"vllm": "vllm", "openai": "openai"},
        LEDGER if ledger else (),
        counts_in_ledger=ledger,
        in_place=False,
        without_module=(200, None),
    )
