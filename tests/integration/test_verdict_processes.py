"""A verdict given in one process is kept by another one that runs, and by one that starts later."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import CacheFabric, CacheRequest, FabricConfig, Usage, create_cache_fabric
from cache_fabric.policy.base import Policy
from servers import eventually, running
from voting import Nearest, a_vote, cast, hit, missed

ASKED = "How do I return a jacket in a shop?"
SERVED = "How do I return a jacket?"
TWIN = "How can I return a jacket in a shop?"

LOOK_UP = """
import json, sys
from cache_fabric import CacheRequest, FabricConfig, Hit, create_cache_fabric
from voting import Nearest

backend, options = json.loads(sys.argv[1])
patient = FabricConfig(exact_timeout=30, semantic_timeout=30, open_timeout=60)
fabric = create_cache_fabric(backend, policy=Nearest(), config=patient, **options)
with fabric.sync as looking:
    for line in sys.stdin:
        asked = CacheRequest(model="m", messages=[{"role": "user", "content": line.strip()}])
        found = looking.lookup(asked)
        if not isinstance(found, Hit):
            looking.release(found.ticket)
        said = [found.tier, found.entry.text] if isinstance(found, Hit) else None
        print(json.dumps(said), flush=True)
"""


def request(question: str) -> CacheRequest:
    return CacheRequest(model="m", messages=[{"role": "user", "content": question}])


class Other:
    """Another process of the deployment, which looks up what it is told to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def lookup(self, question: str) -> list[str] | None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        found: list[str] | None = json.loads(self._process.stdout.readline())
        return found


@contextlib.contextmanager
def another(place: tuple[str, dict[str, Any]]) -> Iterator[Other]:
    with subprocess.Popen(
        [sys.executable, "-c", LOOK_UP, json.dumps(place)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Other(process)
        finally:
            process.kill()


@pytest.fixture(params=["sqlite", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if request.param == "sqlite":
        yield "local", {"path": str(tmp_path / "kept"), "index": "resident"}
        return
    with running(tmp_path) as server:
        yield "redis", {"url": server.url}


@pytest.fixture
def fabric(place: tuple[str, dict[str, Any]]) -> Iterator[CacheFabric]:
    patient = FabricConfig(exact_timeout=30, semantic_timeout=30, open_timeout=60)
    policy: Policy = Nearest()
    made = create_cache_fabric(place[0], policy=policy, config=patient, **place[1])
    with made.sync:
        yield made


def call(fabric: CacheFabric, work: Callable[[], Any]) -> Any:
    return fabric._life().portal.call(work)


def test_the_whole_story_over_two_processes(
    fabric: CacheFabric, place: tuple[str, dict[str, Any]]
) -> None:
    found = fabric.sync.lookup(request(SERVED))
    usage = Usage(input_tokens=100, output_tokens=100)
    entry_id = fabric.sync.store(found.ticket, "By post.", usage=usage)  # type: ignore[union-attr]
    assert entry_id is not None
    fabric.sync.flush()
    served = call(fabric, lambda: hit(fabric, request(ASKED)))
    assert served.tier == "semantic"
    with another(place) as other:
        assert other.lookup(ASKED) == ["semantic", "By post."]
        assert other.lookup(SERVED) == ["exact", "By post."]
        assert other.lookup(SERVED) == ["hot", "By post."]

        call(fabric, lambda: cast(fabric, a_vote(served, run="r")))
        eventually(lambda: other.lookup(SERVED) is None, "the news of the verdict")
        assert other.lookup(ASKED) is None
        assert call(fabric, lambda: missed(fabric, request(ASKED)))
        with another(place) as later:
            assert later.lookup(SERVED) is None

        # A fresh answer to the served question does not answer the near twins.
        again = fabric.sync.lookup(request(SERVED))
        fresh = fabric.sync.store(again.ticket, "Fresh.")  # type: ignore[union-attr]
        assert fresh is not None
        fabric.sync.flush()
        assert other.lookup(SERVED) == ["exact", "Fresh."]
        assert other.lookup(TWIN) is None
        assert fabric.sync.get_metrics()["tokens_saved"] == 0

        fabric.sync.invalidate(entry=fresh)
        fabric.sync.restore_answer(entry_id, by="olga", why="it was right")
        eventually(lambda: other.lookup(SERVED) == ["hot", "By post."], "the restoration")
        eventually(lambda: other.lookup(TWIN) == ["semantic", "By post."], "the vector")
        assert fabric.sync.get_metrics()["tokens_saved"] == 200
        told = fabric.sync.explain(entry_id)
        assert [one.what for one in told.history] == [  # type: ignore[union-attr]
            *("made", "served", "found bad", "quarantined", "saving taken back"),
            *("restored", "saving booked again"),
        ]


def test_a_correction_is_served_by_every_process(
    fabric: CacheFabric, place: tuple[str, dict[str, Any]]
) -> None:
    found = fabric.sync.lookup(request(SERVED))
    fabric.sync.store(found.ticket, "By post.")  # type: ignore[union-attr]
    fabric.sync.flush()
    served = call(fabric, lambda: hit(fabric, request(SERVED)))
    with another(place) as other:
        assert other.lookup(SERVED) == ["exact", "By post."]
        call(fabric, lambda: cast(fabric, a_vote(served, correction="At the till.")))
        eventually(lambda: other.lookup(SERVED) == ["hot", "At the till."], "the correction")
        eventually(lambda: other.lookup(ASKED) == ["semantic", "At the till."], "the vector")
        with another(place) as later:
            assert later.lookup(SERVED) == ["hot", "At the till."]
