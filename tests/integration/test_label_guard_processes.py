"""A label guard over processes: one hears the feedback, another one watches the label move."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import CacheFabric, create_cache_fabric
from cache_fabric.records import ContextChange
from cache_fabric.scopes import Owner
from servers import running

KEY = "router:support:system_prompt"
TELL = """
import sys
from cache_fabric import create_cache_fabric

store, name, count = sys.argv[1:]
with create_cache_fabric("memory", store=store).sync as fabric:
    for number in range(int(count)):
        run = f"{name}-{number}"
        state = {"contexts": [{"key": "router:support:system_prompt", "version": 2}]}
        fabric.track_execution(run, "support", state)
        fabric.record_feedback(run, {"user_rating": 1})
    print(fabric._fabric._metrics.totals().label_guards["moved"])  # of this process alone
"""


def telling(store: str, name: str, count: int) -> subprocess.Popen[str]:
    """Start a process that gives bad feedback so many times and prints what its guards did."""
    command = [sys.executable, "-c", TELL, store, name, str(count)]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE)


async def said(process: subprocess.Popen[str]) -> int:
    output, _ = await asyncio.to_thread(process.communicate, timeout=100)
    assert process.returncode == 0
    return int(output)


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "sqlite":
        yield f"sqlite://{tmp_path / 'fabric.db'}"
        return
    with running(tmp_path) as server:
        yield server.url


async def guarded(fabric: CacheFabric) -> int:
    """Label two versions one after the other, guard the label, and return the revision."""
    for text in ("Be kind.", "Be a pirate."):
        await fabric.set_context(KEY, text)
    await fabric.label_context(KEY, "production", 1)
    moved = await fabric.label_context(KEY, "production", 2, if_version=1)
    await fabric.guard_label(KEY, "production", minimum=4, dry_run=False)
    return moved.revision


async def test_a_watcher_sees_what_the_feedback_of_two_processes_has_moved(store: str) -> None:
    async with create_cache_fabric("memory", store=store) as fabric:
        revision = await guarded(fabric)
        changes = fabric.watch(KEY, after=revision)
        tellers = [telling(store, name, 4) for name in ("one", "two")]
        async with asyncio.timeout(100):
            change = await anext(changes)
        assert isinstance(change, ContextChange)
        assert (change.op, change.label) == ("label", "production")
        assert (change.before, change.version) == (2, 1)
        assert "mean score of version 2 is 0.00" in (change.message or "")
        assert sum([await said(teller) for teller in tellers]) == 1
        live = await fabric.get_context(KEY, label="production")
        assert live.value == "Be kind."
        await changes.aclose()
        found, _ = await fabric._run(lambda life: life.contexts.changes(revision, KEY, Owner()))
        assert found == [change]
        [guard] = await fabric.label_guards()
        assert guard.fired is not None
        assert guard.fired.moved
