#!/usr/bin/env python3
"""Compares what Farebox says use costs with what the package genai-prices says, to the last digit.

    prices/check_prices.py target/debug/farebox

Draws random use of every listed model by names that the package knows it by, at random moments and in
random service tiers, and lets `farebox price` and the package's own decimal arithmetic price it. Then asks
both for names they may not know. The catalogue comes from the same package, so this checks how it was made,
how names are matched and how costs are computed, not whether a provider's price is what it says.

Nothing may differ but this:
* a dearer tier that the package has no prices of is charged at the dearest that it has of the model;
* models with a unit that Farebox does not count have no price there;
* Farebox finds a model without the date, region, version or path in its name where the package does not;
* the package prices what Azure and Google have of other providers in the standard tier only, Farebox in the
  tiers of those (the arithmetic is still the package's);
* the package's few prices that are not whole pico-dollars a token (thirds, as floating-point numbers) are
  rounded half up to that before anything is multiplied;
* a dearer tier without prices of its own costs the dearest of the model at Farebox, and the standard at the package: it is
  not drawn.

What `additions.txt` adds is not in the package, and is left out.
"""

import datetime
import decimal
import json
import random
import re
import subprocess
import sys

from genai_prices.data import providers
from genai_prices.types import ModelPrice, Tier, TieredPrices, Usage
from make_catalogue import AS_OF, PROVIDERS

# Farebox's name of each bucket, and the package's names of all that it is part of.
BUCKETS = {
    "input": [],
    "cache_read": ["cache_read_tokens"],
    "cache_write": ["cache_write_tokens"],
    "cache_write_long": ["cache_write_tokens", "cache_write_1h_tokens"],
    "input_audio": ["input_audio_tokens"],
    "cache_read_audio": ["input_audio_tokens", "cache_read_tokens", "cache_audio_read_tokens"],
    "input_image": ["input_image_tokens"],
    "cache_read_image": ["input_image_tokens", "cache_read_tokens", "cache_image_read_tokens"],
    "output": [],
    "reasoning": ["output_reasoning_tokens"],
    "output_audio": ["output_audio_tokens"],
    "output_image": ["output_image_tokens"],
}
FEES = {"web_search": "web_searches", "file_search": "storage_searches"}
NOT_COUNTED = re.compile(r"video|hours|pages|mchars|messages|citation|input_text|output_text")
TIERS = {
    "standard": None,
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "batch": {"processing": "batch"},
    "fast": {"service_tier": "fast", "speed": "fast"},
}
DEARER = {"priority", "fast"}
# A pico-dollar is the unit of Farebox; nothing published is finer for whole tokens.
decimal.getcontext().prec = 40
by_id = {provider.id: provider for provider in providers}
chance = random.Random(20261121)


def names(clause):
    """Names that a rule of the package speaks of, and names that begin or end so."""
    if parts := getattr(clause, "or_", None) or getattr(clause, "and_", None):
        return [name for part in parts for name in names(part)]
    kind, text = next(iter(vars(clause).items()))
    extended = {"starts_with": [text + "-x"], "ends_with": ["x/" + text], "contains": ["x-" + text + "-x"]}
    return [] if kind == "regex" else [text, text.upper(), *extended.get(kind, [])]


def find(provider, name):
    """The model that the package finds."""
    return provider.find_model(name, all_providers=providers)


def is_counted(price):
    stored = {unit for unit, value in vars(price).items() if value is not None}
    return "input_mtok" in stored and not any(map(NOT_COUNTED.search, stored))


def is_free(model, price):
    """Whether no price means that it is free, and not that nobody knows it."""
    return not vars(price) and (model.id.endswith(":free") or model.id == "moderation")


def moment():
    """A moment of the year that the catalogue begins."""
    return AS_OF + datetime.timedelta(minutes=chance.randrange(366 * 24 * 60))


def whole(price):
    """A price in whole pico-dollars a token, as Farebox counts; very few of the package's are finer."""
    if isinstance(price, TieredPrices):
        return TieredPrices(whole(price.base), [Tier(tier.start, whole(tier.price)) for tier in price.tiers])
    return price.quantize(decimal.Decimal("0.000001"), decimal.ROUND_HALF_UP)


def draw(price):
    """Random use, often around a size of prompt at which the price changes."""
    use = {}
    listed = {unit for unit, value in vars(price).items() if value is not None}
    for bucket in BUCKETS:
        # The package cannot tell what a cached sound costs unless at most one of its wholes has a price.
        of = {"cache_read_audio": "audio", "cache_read_image": "image"}.get(bucket)
        clear = of is None or f"cache_{of}_read_mtok" in listed or not {"cache_read_mtok", f"input_{of}_mtok"} <= listed
        if clear and chance.random() < 0.6:
            use[bucket] = chance.choice([0, 1, 7, chance.randrange(5_000), chance.randrange(400_000)])
    tiers = [t.start for value in vars(price).values() if isinstance(value, TieredPrices) for t in value.tiers]
    if tiers and chance.random() < 0.5:
        total = sum(count for bucket, count in use.items() if is_input(bucket))
        wanted = chance.choice(tiers) + chance.choice([-1, 0, 1])
        use["input"] = max(0, wanted - total + use.get("input", 0))
    for fee in FEES:
        if chance.random() < 0.3:
            use[fee] = chance.randrange(20)
    return use


def is_input(bucket):
    return not bucket.startswith("output") and bucket != "reasoning"


def expected(model, use, at, tier):
    """The package's price of `use`."""
    parts = {name for names in BUCKETS.values() for name in names}
    usage = dict.fromkeys(["input_tokens", "output_tokens", *FEES.values(), *parts], 0)
    for bucket, count in use.items():
        if bucket in FEES:
            usage[FEES[bucket]] += count
            continue
        for name in ["input_tokens" if is_input(bucket) else "output_tokens", *BUCKETS[bucket]]:
            usage[name] += count
    prices = [model.get_prices(at, context) for context in TIERS.values()]
    own = model.get_prices(at, TIERS[tier])
    # A dearer tier without prices of its own is charged at the dearest ones; the package has the standard ones for it.
    unknown = tier in DEARER and vars(own) == vars(model.get_prices(at))
    return max(cost(price, usage) for price in (prices if unknown else [own]))


def cost(price, usage):
    """What a price of the package makes of use."""
    price = ModelPrice(**{unit: whole(value) for unit, value in vars(price).items() if value is not None})
    return price.calc_price(Usage(**usage))["total_price"]


def farebox(program, lines):
    """What Farebox says each line costs."""
    text = "\n".join(map(json.dumps, lines))
    done = subprocess.run([program, "price", "--listed"], input=text, capture_output=True, text=True, check=True)
    costs = [json.loads(line)["cost_usd"] for line in done.stdout.splitlines()]
    assert len(costs) == len(lines)
    return [None if cost is None else decimal.Decimal(cost) for cost in costs]


def main() -> int:
    lines, wanted, models, sellers = [], [], set(), set()
    for provider in (by_id[id] for id in PROVIDERS):
        elsewhere = [m for other in provider.fallback_model_providers or () for m in by_id[other].models]
        for listed in [*provider.models, *elsewhere]:
            known = [name for name in dict.fromkeys([listed.id, *names(listed.match)]) if find(provider, name)]
            for name in chance.sample(known, min(4, len(known))):
                model = find(provider, name)
                at, tier = moment(), chance.choice(list(TIERS))
                if tier in ("priority", "fast") and vars(model.get_prices(at, TIERS[tier])) == vars(model.get_prices(at)):
                    tier = "standard"
                price = model.get_prices(at, TIERS[tier])
                counted = is_counted(price) or is_free(model, price)
                use = draw(price) if counted else {"input": 1, "output": 1}
                lines.append({"provider": provider.id, "model": name, "at": at.isoformat(), "service_tier": tier, **use})
                wanted.append(expected(model, use, at, tier) if counted else None)
                models.add((provider.id, model.id))
                sellers.add(provider.id)
    differences = [
        f"{line}: Farebox says {got}, the package {want}"
        for line, got, want in zip(lines, farebox(sys.argv[1], lines), wanted)
        if got != want
    ]

    everything = [model for provider in providers for model in provider.models]
    strangers = [(id, model.id) for id in PROVIDERS for model in chance.sample(everything, 100)]
    strangers += [(id, re.sub("[0-9]", lambda digit: str((int(digit[0]) + 3) % 10), name)) for id, name in strangers]
    one = {"at": AS_OF.isoformat(), "input": 10**6, "request": 0}
    asked = [{"provider": id, "model": name, **one} for id, name in strangers]
    more = unknown = 0
    for (id, name), got in zip(strangers, farebox(sys.argv[1], asked)):
        model = find(by_id[id], name)
        if model is None:
            more += got is not None
            unknown += got is None
            continue
        price = model.get_prices(AS_OF)
        price = ModelPrice(**{k: whole(v) for k, v in vars(price).items() if v is not None and k != "requests_kcount"})
        counted = is_counted(price) or is_free(model, price)
        want = price.calc_price(Usage(input_tokens=10**6))["total_price"] if counted else None
        if got != want:
            differences.append(f"{id}/{name}: Farebox says {got}, the package {want}")

    priced = sum(want is not None for want in wanted)
    print(
        f"  {priced} costs of {len(models)} models at {len(sellers)} providers are the package's to the last digit;\n"
        f"  {len(wanted) - priced} are of models that are not sold by the token, or have no price;\n"
        f"  of {len(strangers)} names of other providers' models and made-up ones, {unknown} are unknown to both,"
        f" {more} known to Farebox alone"
    )
    for difference in differences[:20]:
        print(f"  DIFFERENT: {difference}", file=sys.stderr)
    return 1 if differences or priced < 1000 or len(models) < 150 or len(sellers) < 8 else 0


if __name__ == "__main__":
    sys.exit(main())
