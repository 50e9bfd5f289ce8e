"""What model calls cost: a table of prices by the names of models.

Prices come from three places, the first that knows the model wins: the user's overrides, the
model map that lies in an installed ``litellm`` (read as a data file, litellm is not imported),
and ``prices.json``, a trimmed copy of that map shipped here. Nothing is fetched. All three name
their figures as LiteLLM does: dollars per token under ``input_cost_per_token`` and so on.

A model without a price costs ``None``: unknown is never 0. What the map says of images, audio,
searches and hours of the day is not read.
"""

from __future__ import annotations

import importlib.util
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from cache_fabric.errors import ConfigurationError
from cache_fabric.price_rates import Price, is_figure, read_price
from cache_fabric.types import Usage

__all__ = ["PriceTable", "packaged_map", "shipped_snapshot"]

Rows = Mapping[str, msgspec.Raw]

_DATE = re.compile(r"[-@](\d{4}-\d{2}-\d{2}|\d{8})$")
# Vendors whose model names nobody else serves; an open-weight name says nothing about its host.
_SOLE_VENDORS = ("gemini", "xai")


class PriceTable:
    """Prices by model name, read at the first question; safe to share between threads.

    Args:
        overrides: Prices that win over every row.
        read: Gives the rows, called once.
    """

    def __init__(self, overrides: Mapping[str, Price], read: Callable[[], Rows]) -> None:
        self._overrides = dict(overrides)
        self._read = read
        self._lock = threading.Lock()
        self._rows: Rows | None = None

    @classmethod
    def load(
        cls,
        overrides: Mapping[str, Mapping[str, float]] | None = None,
        read: Callable[[], Rows] | None = None,
    ) -> PriceTable:
        """A table over LiteLLM's packaged map, else over the shipped snapshot; reads nothing yet.

        Args:
            overrides: Model name to prices in dollars per token: ``input_cost_per_token`` and
                ``output_cost_per_token``, and whatever else `price_rates` reads, such as
                ``cache_read_input_token_cost``. An override replaces the whole price of its
                model, with any provider or date around the name.
            read: Gives other rows, in the form of LiteLLM's map.

        Raises:
            ConfigurationError: An override lacks a price, or has one that is not a price.
        """
        prices = {model: _override(model, given) for model, given in (overrides or {}).items()}
        return cls(prices, read or (lambda: packaged_map() or shipped_snapshot()))

    def find(self, model: str) -> Price | None:
        """The price under this name, without its provider, then without its date; else ``None``.

        ``openai/gpt-4o-mini-2030-01-01`` finds ``gpt-4o-mini``. A provider in front must be the
        one of the row found, so ``ollama/gpt-4o`` finds nothing.
        """
        spellings = list(_spellings(model))
        for name, _ in spellings:
            if price := self._overrides.get(name):
                return price
        rows = self._loaded()
        for name, provider in spellings:
            if (raw := rows.get(name)) is not None and (price := _listed(raw, provider)):
                return price
        return None

    def cost_micros(self, model: str, usage: Usage) -> int | None:
        """Micro-dollars of one call, ``None`` where the model has no known price."""
        price = self.find(model)
        return None if price is None else price.cost_micros(usage)

    def provider(self, model: str) -> str | None:
        """Who sells the model of this name, as LiteLLM calls them; ``None`` if not known."""
        rows = self._loaded()
        for name, provider in _spellings(model):
            of = _seller(rows[name]) if name in rows else None
            if of is not None and of.startswith(provider):
                return of
        return None

    def _loaded(self) -> Rows:
        with self._lock:
            if self._rows is None:
                self._rows = self._read()
            return self._rows


def packaged_map() -> Rows | None:
    """The model map inside an installed litellm, ``None`` without one that can be read."""
    spec = importlib.util.find_spec("litellm")
    for folder in (spec and spec.submodule_search_locations) or ():
        try:
            data = Path(folder, "model_prices_and_context_window_backup.json").read_bytes()
            return msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        except (OSError, msgspec.DecodeError):
            continue
    return None


def shipped_snapshot() -> Rows:
    """The rows of ``prices.json``, which says its source, licence and date itself."""
    data = files("cache_fabric").joinpath("prices.json").read_bytes()
    return msgspec.json.decode(data, type=_Snapshot).models


class _Snapshot(msgspec.Struct):
    models: dict[str, msgspec.Raw]


class _Row(msgspec.Struct):
    litellm_provider: str | None = None


_INCLUSIVE = frozenset({"xai"})
"""Providers whose longer prompts begin with the length that is named."""

_CACHE_READ = {"fireworks_ai": 0.5}
"""What share of its price a cached token costs where the map does not say, as LiteLLM knows it."""


def _spellings(model: str) -> Iterator[tuple[str, str]]:
    """Names to look under, most exact first, each with the provider its row must have."""
    model = model.removeprefix("models/")
    for name in dict.fromkeys((model, _DATE.sub("", model))):
        yield name, ""
        provider, slash, bare = name.partition("/")
        if slash:
            yield bare, provider
        else:
            yield from ((f"{vendor}/{name}", "") for vendor in _SOLE_VENDORS)


def _listed(raw: msgspec.Raw, provider: str) -> Price | None:
    try:
        row = msgspec.json.decode(raw, type=dict[str, Any])
        of = str(row.get("litellm_provider") or "")
        # The map writes 0 both for "free" and for "not known"; only an override can mean free.
        if row.get("input_cost_per_token") == 0 or not of.startswith(provider):
            return None
        if of in _CACHE_READ and row.get("cache_read_input_token_cost") is None:
            row["cache_read_input_token_cost"] = row["input_cost_per_token"] * _CACHE_READ[of]
        return read_price(row, inclusive=of in _INCLUSIVE)
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        return None


def _seller(raw: msgspec.Raw) -> str | None:
    try:
        return msgspec.json.decode(raw, type=_Row).litellm_provider
    except msgspec.DecodeError:
        return None


def _override(model: str, given: Mapping[str, float]) -> Price:
    try:
        unknown = [name for name in given if not is_figure(name)]
        if unknown:
            raise ValueError(f"{unknown[0]} is not a figure that is read")
        return read_price(given)
    except (TypeError, ValueError, AttributeError) as error:
        raise ConfigurationError(
            f"prices[{model!r}]: expected dollars per token ({error})"
        ) from error
