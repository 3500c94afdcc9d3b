#!/usr/bin/env python3
"""Writes prices/catalogue.txt from the package genai-prices; `--check` only compares.

The package is pinned in requirements.txt and carries its prices with it, so nothing is fetched, and the
date below decides which of a model's successive prices are past and left out: the same inputs give the
same bytes. A new catalogue is a new version in requirements.txt and a new date here.

Left out are what is not sold by the token (hours of sound, pages, characters), and models with a price
apart for tokens that nobody counts apart (video, citations): one price for all of it would be too low.
"""

import dataclasses
import datetime
import decimal
import hashlib
import importlib.metadata
import pathlib
import re
import string
import sys

try:
    from genai_prices.data import providers
    from genai_prices.types import StartDateConstraint, TieredPrices, TimeOfDateConstraint
except ImportError:
    sys.exit("genai-prices is missing: run `make .venv` and then `.venv/bin/python prices/make_catalogue.py`")

CATALOGUE = pathlib.Path(__file__).resolve().with_name("catalogue.txt")
AS_OF = datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC)

# The package's providers, and other names that people give them.
PROVIDERS = {
    "anthropic": "claude",
    "arcee": "",
    "aws": "bedrock amazon amazon-bedrock aws-bedrock",
    "azure": "azure-openai azure-ai azure-foundry foundry",
    "baseten": "",
    "cerebras": "",
    "cloudflare": "workers-ai",
    "cohere": "",
    "databricks": "",
    "deepseek": "",
    "fireworks": "fireworks-ai",
    "google": "gemini vertex vertex-ai google-vertex google-ai-studio",
    "groq": "",
    "meta": "",
    "minimax": "",
    "mistral": "mistralai mistral-ai",
    "moonshotai": "moonshot kimi",
    "novita": "",
    "openai": "",
    "openrouter": "",
    "ovhcloud": "ovh",
    "perplexity": "",
    "together": "together-ai togetherai",
    "voyageai": "voyage",
    "x-ai": "xai grok",
    "zai": "z-ai",
    "zhipuai": "zhipu bigmodel",
}

# A few of OpenRouter's prices are thirds, written as floating-point numbers.
PICO_A_TOKEN = decimal.Decimal("0.000001")

# The package's units and their short names in the catalogue.
UNITS = {
    "input_mtok": "i",
    "output_mtok": "o",
    "cache_read_mtok": "r",
    "cache_write_mtok": "w",
    "cache_write_1h_mtok": "l",
    "input_audio_mtok": "ia",
    "cache_audio_read_mtok": "ra",
    "output_audio_mtok": "oa",
    "input_image_mtok": "ii",
    "cache_image_read_mtok": "ri",
    "output_image_mtok": "oi",
    "output_reasoning_mtok": "t",
    "web_searches_kcount": "s",
    "storage_searches_kcount": "f",
    "requests_kcount": "q",
}

# What tells the package's service tiers apart, and what the catalogue calls them.
TIERS = {
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "batch": {"processing": "batch"},
    "fast": {"service_tier": "fast", "speed": "fast"},
}

HEADER = """\
# Prices of models, in USD for a million tokens or a thousand requests or searches, from {date} on.
# Source: the Python package genai-prices {version} (https://github.com/pydantic/genai-prices),
# MIT licence, Copyright (c) Pydantic Services Inc. 2025 to present: see LICENSE.genai-prices.
# Made by prices/make_catalogue.py: do not edit. README.md says how to read it.
"""

# Models without a price that are free and do not say so in their names.
FREE = ("moderation",)

# A date in a name that the name's price does not depend on is left to Farebox, which knows such dates.
DATED = re.compile(r"(-\d{4}-\d{2}-\d{2}|[-@]\d{8})$")


class Unpriced(Exception):
    """The model is not sold by what Farebox counts."""


def plain(price) -> str:
    """A price as a decimal without exponent or trailing zeros, rounded half up to a pico-dollar a token."""
    text = f"{price.quantize(PICO_A_TOKEN, decimal.ROUND_HALF_UP):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def is_free(model) -> bool:
    """Whether no price means that it is free; elsewhere it means that nobody knows it."""
    return model.id.endswith(":free") or model.id in FREE


def rates(price, start) -> dict[str, str]:
    """What is listed for prompts of more than `start` tokens, by short name."""
    found = {}
    for unit, value in vars(price).items():
        if value is None:
            continue
        if unit not in UNITS:
            raise Unpriced(unit)
        if isinstance(value, TieredPrices):
            here = next((tier.price for tier in reversed(value.tiers) if tier.start <= start), value.base)
        else:
            here = value
        found[UNITS[unit]] = plain(here)
    if "i" not in found:
        raise Unpriced("input")
    return {short: found[short] for short in UNITS.values() if short in found}


def schedule(price) -> str:
    """Prices by size of prompt: the base, then what changes above each threshold."""
    tiered = [value for value in vars(price).values() if isinstance(value, TieredPrices)]
    below = rates(price, -1)
    text = " ".join(short + value for short, value in below.items())
    for start in sorted({tier.start for value in tiered for tier in value.tiers}):
        here = rates(price, start)
        changes = [short + value for short, value in here.items() if below.get(short) != value]
        if changes:
            text += f" >{start} " + " ".join(changes)
        below = here
    return text


def row(model, moment) -> str:
    """All that a model costs at a moment."""
    if is_free(model) and not vars(model.get_prices(moment)):
        return "i0 o0"
    standard = text = schedule(model.get_prices(moment))
    for tier, context in TIERS.items():
        asked = [{key: word} for key, word in context.items()]
        own = {schedule(model.get_prices(moment, context)) for context in asked} - {standard}
        assert len(own) <= 1, (model.id, tier)
        text += "".join(f" /{tier} {prices}" for prices in own)
    return text


def offer(model) -> list[tuple[str, str]]:
    """The model's rows with the condition of each: none, then dates, or hours of the day."""
    prices = model.prices if isinstance(model.prices, list) else []
    conditions = [price.constraint for price in prices] + [v.constraint for v in model.price_variants or ()]
    daily = [c for c in conditions if isinstance(c, TimeOfDateConstraint)]
    dates = sorted({c.start_date for c in conditions if isinstance(c, StartDateConstraint)})
    dates = [date for date in dates if date > AS_OF.date()]
    if daily and not dates:
        clock = lambda time: AS_OF.replace(hour=time.hour, minute=time.minute)
        times = sorted({clock(time) for c in daily for time in (c.start_time, c.end_time)})
        hours = [row(model, time) for time in times]
        usual = max(sorted(set(hours)), key=hours.count)
        ends = times[1:] + times[:1]
        return [("", usual)] + [
            (f"{start:%H:%M}-{end:%H:%M}", text) for start, end, text in zip(times, ends, hours) if text != usual
        ]
    assert not daily, model.id
    rows = [("", row(model, AS_OF))]
    for date in dates:
        text = row(model, datetime.datetime.combine(date, datetime.time(), datetime.UTC))
        if text != rows[-1][1]:
            rows.append((date.isoformat(), text))
    return rows


def patterns(clause) -> list[str]:
    """A rule of the package as names and patterns; `!` before those that it keeps out."""
    if hasattr(clause, "or_"):
        return [pattern for part in clause.or_ for pattern in patterns(part)]
    if hasattr(clause, "and_"):
        kept, without_speech = clause.and_
        assert without_speech.regex == "^(?!.*-[tT][tT][sS](?:$|-))"
        return [p for kept in patterns(kept) for p in (f"!{kept}-tts", f"!{kept}-tts-*", kept)]
    kind, text = next(iter(vars(clause).items()))
    text = text.lower()
    if kind != "regex":
        return [{"equals": "{}", "starts_with": "{}*", "ends_with": "*{}", "contains": "*{}*"}[kind].format(text)]
    # A model and a date after it: Farebox knows such dates.
    dated = re.fullmatch(r"\^(.*?)(-|\[-@\])\\d\{(8\}|4\}-\\d\{2\}-\\d\{2\})\$", text)
    numbered = re.fullmatch(r"\^(.*)-\\d", text)
    if dated:
        return [dated[1].replace("\\", "")]
    if numbered:
        return [numbered[1].replace("\\", "") + f"-{digit}*" for digit in string.digits]
    raise NotImplementedError(text)


@dataclasses.dataclass
class Listed:
    """What is listed of one provider."""

    id: str
    others: list[str]
    models: dict[str, list[tuple[str, str]]]
    patterns: list[tuple[str, list[tuple[str, str]]]]


def listed(provider) -> Listed:
    """Everything of a provider that has a price."""
    models, found = {}, []
    for model in provider.models:
        try:
            own = offer(model)
        except Unpriced:
            own = []
        for name in dict.fromkeys([model.id.lower(), *patterns(model.match)]):
            if name.startswith("!") or "*" in name:
                found.append((name.lstrip("!"), [] if name.startswith("!") else own))
            elif provider.find_model(name) is model:
                models[name] = own
    return Listed(provider.id, provider.fallback_model_providers or [], models, found)


def compact(all_listed: list[Listed]) -> None:
    """Leaves out what is found without being listed."""
    for provider in all_listed:
        for name in list(provider.models):
            base = DATED.sub("", name)
            same = provider.models.get(base)
            by_pattern = next((own for pattern, own in provider.patterns if fits(pattern, name)), None)
            if by_pattern is not None:
                if by_pattern == provider.models[name]:
                    del provider.models[name]
            elif base != name and same is not None and same == provider.models[name]:
                del provider.models[name]
        provider.models = {n: o for n, o in provider.models.items() if o or shadowed(provider, n)}
        kept = []
        for index, (pattern, own) in enumerate(provider.patterns):
            if own or any(own for _, own in provider.patterns[index + 1 :]):
                kept.append((pattern, own))
        provider.patterns = kept


def shadowed(provider: Listed, name: str) -> bool:
    """Whether a name without a price would otherwise get the price of another."""
    return any(fits(p, name) for p, _ in provider.patterns) or bool(provider.models.get(DATED.sub("", name)))


def fits(pattern: str, name: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None


def catalogue() -> str:
    """The whole file."""
    version = importlib.metadata.version("genai-prices")
    all_listed = [listed(provider) for provider in providers if provider.id in PROVIDERS]
    compact(all_listed)
    numbers: dict[str, str] = {}
    offers = [own for p in all_listed for own in [*p.models.values(), *(own for _, own in p.patterns)]]
    for text in sorted({text for own in offers for _, text in own}):
        numbers[text] = number(text, set(numbers.values()))

    def written(own) -> str:
        return " ".join(f"{when}={numbers[text]}" if when else numbers[text] for when, text in own) or "-"

    lines = ["[prices]", *sorted(f"{number}\t{text}" for text, number in numbers.items())]
    for provider in all_listed:
        others = [other for other in provider.others if other in PROVIDERS]
        lines.append(f"[{provider.id}; {PROVIDERS[provider.id]}; {' '.join(others)}]")
        lines += [f"{name}\t{written(own)}" for name, own in sorted(provider.models.items())]
        lines += ["*"] * bool(provider.patterns)
        lines += [f"{pattern}\t{written(own)}" for pattern, own in provider.patterns]
    return HEADER.format(date=AS_OF.date(), version=version) + "\n".join(lines) + "\n"


def number(text: str, taken: set[str]) -> str:
    """A short name of a row that stays the same when others come and go."""
    alphabet = string.digits + string.ascii_lowercase
    value = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    while True:
        short = "".join(alphabet[value // 36**place % 36] for place in range(4))
        if short not in taken:
            return short
        value += 1


def main() -> int:
    text = catalogue()
    if "--check" in sys.argv[1:]:
        if CATALOGUE.read_text() == text:
            return 0
        print("prices/catalogue.txt is not what prices/make_catalogue.py makes: run it", file=sys.stderr)
        return 1
    CATALOGUE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
