"""What every benchmark of time or cost leaves behind: one JSON file, printed when asked for."""

from __future__ import annotations

import json as json_module
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cache_fabric.cli._fabric import print_json

__all__ = ["OUT", "OutOption", "report"]

OutOption = Annotated[Path, typer.Option(help="Where the JSON goes.")]
OUT = Path("bench-results")


def report(results: Mapping[str, Any], out: Path, *, json: bool) -> None:
    """Write the results by benchmark into ``out``/bench.json, and print the same with ``json``."""
    out.mkdir(parents=True, exist_ok=True)
    written = {"python": platform.python_version(), "results": results}
    (out / "bench.json").write_text(json_module.dumps(written, indent=2))
    if json:
        print_json(written)
