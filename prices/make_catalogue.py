#!/usr/bin/env python3
"""Writes prices/catalogue.tsv from the package genai-prices; `--check` only compares.

The package is pinned in requirements.txt and carries its prices with it, so nothing is fetched, and the
date below decides which of a model's successive prices is the current one: the same inputs give the same
bytes. A new catalogue is a new version in requirements.txt and a new date here.

Left out are models that cost more for sound or pictures than for text (one price for all of it would be
too low), models that are not sold by the token, and fine-tuned models, whose names are their owners'.
"""

import datetime
import decimal
import importlib.metadata
import pathlib
import re
import sys

try:
    from genai_prices.data import providers
    from genai_prices.types import TieredPrices
except ImportError:
    sys.exit("genai-prices is missing: run `make .venv` and then `.venv/bin/python prices/make_catalogue.py`")

CATALOGUE = pathlib.Path(__file__).resolve().with_name("catalogue.tsv")
AS_OF = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.timezone.utc)
PROVIDERS = ("anthropic", "openai")
COLUMNS = ("input_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok", "output_mtok")

HEADER = """\
# USD for a million tokens, by the price that was current on {date}.
# Source: the Python package genai-prices {version} (https://github.com/pydantic/genai-prices),
# MIT licence, Copyright (c) Pydantic Services Inc. 2025 to present.
# Made by prices/make_catalogue.py: do not edit.
# An empty price of a cache is not known; input then costs the same from there.
# Where a long prompt costs more, this is the price of a short one.
# provider/model\tinput\tcache_read\tcache_write\tcache_write_long\toutput
"""

# Spellings that other gateways use and the providers do not (claude-haiku-4.5, claude-4-5-haiku, gpt-5-1,
# gpt-35-turbo), and beginnings of names that end within a date.
FOREIGN = re.compile(
    r"claude-.*\.|claude-[4-9]-|claude-v|gpt-[0-9]-[0-9](-|$)|gpt-35-|.*-20[0-9]{2}$|.*[:@]|.*\.ft"
)
# The package has no price of sound or pictures for some of the models that are made for them.
OTHER_MODALITY = re.compile(r".*-(audio|image|realtime|tts|transcribe)\b")
DATE = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})$")


def names(clause) -> set[str]:
    """The names that a rule of the package compares with."""
    found = {getattr(clause, kind, None) for kind in ("equals", "starts_with")} - {None}
    for part in getattr(clause, "or_", None) or ():
        found |= names(part)
    return found


def prices(model) -> tuple[str, ...] | None:
    """The model's row; None if it cannot be one."""
    current = model.get_prices(AS_OF)
    tokens = {key: value for key, value in vars(current).items() if value is not None and key.endswith("_mtok")}
    if any("audio" in key or "image" in key or "video" in key for key in tokens) or "input_mtok" not in tokens:
        return None
    # An embedding has no output, and so no price of it.
    tokens.setdefault("output_mtok", decimal.Decimal(0))
    return tuple(plain(tokens.get(column)) for column in COLUMNS)


def plain(price) -> str:
    """A price as a decimal without exponent or trailing zeros; the lowest tier's if there are several."""
    if price is None:
        return ""
    base = price.base if isinstance(price, TieredPrices) else price
    text = f"{base:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def rows() -> dict[str, tuple[str, ...]]:
    """All rows by `provider/model`."""
    found = {}
    for provider in (provider for provider in providers if provider.id in PROVIDERS):
        for model in provider.models:
            row = prices(model)
            if row is None or OTHER_MODALITY.match(model.id):
                continue
            for name in {model.id} | {name.rstrip("-@") for name in names(model.match)}:
                # A name may fit several models; the package takes the first, and so do we.
                if provider.find_model(name) is model and not FOREIGN.match(name):
                    found[f"{provider.id}/{name}"] = row
    # `gpt-4o-mini-2024-07-18` is found under `gpt-4o-mini` too, and needs a row only to differ.
    return {name: row for name, row in found.items() if not DATE.search(name) or found.get(DATE.sub("", name)) != row}


def catalogue() -> str:
    """The whole file."""
    version = importlib.metadata.version("genai-prices")
    lines = ["\t".join((name, *row)) for name, row in sorted(rows().items())]
    return HEADER.format(date=AS_OF.date(), version=version) + "\n".join(lines) + "\n"


def main() -> int:
    text = catalogue()
    if "--check" in sys.argv[1:]:
        if CATALOGUE.read_text() == text:
            return 0
        print("prices/catalogue.tsv is not what prices/make_catalogue.py makes: run it", file=sys.stderr)
        return 1
    CATALOGUE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
