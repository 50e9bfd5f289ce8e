"""What compiling a large manifest costs: 1,000 routers, read from YAML and published on SQLite."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cache_fabric.bench.timing import Row
from cache_fabric.fabric import CacheFabric
from cache_fabric.factory import create_cache_fabric
from cache_fabric.nexus.compile import compile_manifest_sync
from cache_fabric.nexus.formats import read_manifest

__all__ = ["compiled_manifests", "large_manifest"]

_ROUTERS = 1_000
_BAR = "under 2 s"


def large_manifest(routers: int, edition: int = 1) -> str:
    """Return a Universal Agent manifest; every tenth prompt differs between editions."""
    lines = ["name: large", "graphs:", "  - name: main", "    entry_node: n0", "    nodes:"]
    lines += [f"      - {{id: n{n}, kind: router, router_ref: r{n}}}" for n in range(routers)]
    lines += ["    edges:"]
    lines += [f"      - {{from_node: n{n}, to_node: n{n + 1}}}" for n in range(routers - 1)]
    lines += ["routers:"]
    for n in range(routers):
        told = edition if n % 10 == 0 else 1
        lines += [
            f"  - name: r{n}",
            "    strategy: llm",
            "    system_message: |",
            f"      You are router {n} of the moderation desk, edition {told}.",
            *(f"      Rule {rule}: say which queue post {{post}} goes to." for rule in range(20)),
        ]
    return "\n".join(lines)


def compiled_manifests(rounds: int = 5) -> list[Row]:
    """Measure reading a manifest of 1,000 routers, and compiling it: new, unchanged, changed.

    Of so few rounds the slowest stands for the 99th percentile.
    """
    taken: dict[str, list[float]] = {}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            file, changed = place / "1.yaml", place / "2.yaml"
            file.write_text(large_manifest(_ROUTERS))
            changed.write_text(large_manifest(_ROUTERS, edition=2))
            fabric = create_cache_fabric("memory", store=f"sqlite://{place / 'fabric.db'}")
            with fabric.sync:
                _round(fabric, file, changed, taken)
    return [
        Row(name, statistics.median(times), max(times), bar=_BAR) for name, times in taken.items()
    ]


def _round(fabric: CacheFabric, file: Path, changed: Path, taken: dict[str, list[float]]) -> None:
    calls: dict[str, Callable[[], object]] = {
        "read": lambda: read_manifest(file),
        "compile, all new": lambda: compile_manifest_sync(file, fabric),
        "compile, unchanged": lambda: compile_manifest_sync(file, fabric),
        "plan, 100 changed": lambda: compile_manifest_sync(changed, fabric, plan=True),
        "compile, 100 changed": lambda: compile_manifest_sync(changed, fabric, label="production"),
    }
    for name, call in calls.items():
        started = time.perf_counter()
        call()
        taken.setdefault(f"{name}, {_ROUTERS:,} routers", []).append(
            1e6 * (time.perf_counter() - started)
        )
