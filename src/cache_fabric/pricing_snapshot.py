"""Renews the shipped prices from an installed litellm, model by model.

From the folder of the repository (in the package's, Python takes its ``types`` for the standard
library's): ``python -m cache_fabric.pricing_snapshot > new.json && mv new.json
src/cache_fabric/prices.json``. The models stay those of the snapshot; one that litellm no longer
lists is dropped.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import msgspec

from cache_fabric.errors import MissingExtraError
from cache_fabric.price_rates import is_figure
from cache_fabric.pricing import packaged_map, shipped_snapshot

__all__ = ["snapshot"]


def snapshot() -> str:
    """The text of a new ``prices.json``, one model a line."""
    rows = packaged_map()
    if rows is None:
        raise MissingExtraError("litellm", "a new price snapshot")
    header = {
        "source": f"litellm {version('litellm')}, model_prices_and_context_window_backup.json",
        "licence": "MIT, Copyright (c) 2023 Berri AI",
        "date": datetime.now(UTC).date().isoformat(),
        "unit": "dollars per token",
    }
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}," for name, value in header.items()]
    models = [
        f"    {json.dumps(name)}: {json.dumps(_trimmed(rows[name]))}"
        for name in shipped_snapshot()
        if name in rows
    ]
    return "\n".join(["{", *lines, '  "models": {', ",\n".join(models), "  }", "}"]) + "\n"


def _trimmed(raw: msgspec.Raw) -> dict[str, Any]:
    row = msgspec.json.decode(raw)
    return {
        name: value
        for name, value in row.items()
        if value is not None and (name in ("litellm_provider", "tiered_pricing") or is_figure(name))
    }


if __name__ == "__main__":
    sys.stdout.write(snapshot())
