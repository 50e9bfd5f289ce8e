"""The demo's page without its agents, served from a thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cache_fabric import FabricConfig, create_cache_fabric
from cache_fabric.demo.agents import Agents
from cache_fabric.demo.operations import demo_operations
from cache_fabric.demo.simulated import SimulatedModel
from cache_fabric.demo.stage import Stage, prompt_key
from cache_fabric.demo.switched import switched
from cache_fabric.demo.traffic import load_demo
from cache_fabric.stores.sqlite import SqliteStore
from cache_fabric.sync import SyncCacheFabric
from cache_fabric.web import create_app
from web_server import serving

__all__ = ["TOKEN", "Staged", "staged_page"]

TOKEN = "the-page-s-own-secret"
_PATIENT = FabricConfig(exact_timeout=30, semantic_timeout=30, agent="dashboard")


@dataclass(frozen=True)
class Staged:
    """Where it is served, and the fabric behind it."""

    url: str
    fabric: SyncCacheFabric


@contextmanager
def staged_page(folder: Path) -> Iterator[Staged]:
    """Serve it until the end of the block."""
    file = folder / "fabric.db"
    store, switch = switched(SqliteStore(file, "default"))
    data = load_demo()
    fabric = create_cache_fabric("memory", store=store, config=_PATIENT)
    with fabric.sync:
        for name, prompt in data.system_prompts.items():
            fabric.sync.set_context(prompt_key(name), prompt, author="demo", message="as delivered")
        about = {"name": "a simulated model", "simulated": True, "latency_ms": 0.0}
        model, agents = SimulatedModel(data, len, 0.0), Agents(file, "default", ())
        stage = Stage(fabric, switch, data, model, about, "gpt-4o-mini", agents)
        options: dict[str, Any] = {"token": TOKEN, "trusted": True, "content": True, "page": True}
        app = create_app(fabric, operations=demo_operations(stage), **options)
        stage.tell = app.state.hub.tell
        with serving(app) as url:
            yield Staged(url, fabric.sync)
