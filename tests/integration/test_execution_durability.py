"""What an acknowledged execution survives: its process killed at any moment, and the server too."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cache_fabric.records import Execution
from cache_fabric.sync import SyncCacheFabric
from integration import killed_trackers
from integration.killed_trackers import STEPS, open_fabric, state_of
from servers import Server, eventually, running

CYCLES = [100, pytest.param(500, marks=pytest.mark.campaign)]
SERVER_CYCLES = [5, pytest.param(100, marks=pytest.mark.campaign)]
WRITES = [10_000, pytest.param(100_000, marks=pytest.mark.campaign)]


def start(what: str, url: str, file: Path, count: int) -> subprocess.Popen[bytes]:
    program = [sys.executable, killed_trackers.__file__]
    # What a writer says when its server is gone is not this test's matter.
    return subprocess.Popen([*program, what, url, str(file), str(count)], stderr=subprocess.DEVNULL)


@pytest.fixture
def syncs() -> str:
    """How often the server of a test syncs its file."""
    return "everysec"


@pytest.fixture
def server(tmp_path: Path, syncs: str) -> Iterator[Server]:
    with running(tmp_path / "redis", "--appendonly", "yes", "--appendfsync", syncs) as server:
        yield server


@pytest.fixture
def acknowledged(tmp_path: Path) -> Path:
    file = tmp_path / "acknowledged"
    file.touch()
    return file


@pytest.mark.timeout(900)
@pytest.mark.parametrize("cycles", CYCLES)
def test_sqlite_keeps_what_it_acknowledged_to_killed_processes(
    tmp_path: Path, acknowledged: Path, cycles: int
) -> None:
    url = f"sqlite://{tmp_path / 'fabric.db'}"
    assert start("cycles", url, acknowledged, cycles).wait(800) == 0
    assert_kept(url, names_in(acknowledged, "process"), of=cycles)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("cycles", CYCLES)
def test_redis_keeps_what_it_acknowledged_to_killed_processes(
    server: Server, acknowledged: Path, cycles: int
) -> None:
    assert start("cycles", server.url, acknowledged, cycles).wait(800) == 0
    assert_kept(server.url, names_in(acknowledged, "process"), of=cycles)


# One that syncs every second may lose what it acknowledged while a slow disk was syncing.
@pytest.mark.timeout(900)
@pytest.mark.parametrize("syncs", ["always"])
@pytest.mark.parametrize("cycles", SERVER_CYCLES)
def test_redis_that_syncs_always_keeps_what_it_acknowledged_before_it_was_killed(
    server: Server, acknowledged: Path, cycles: int
) -> None:
    for cycle in range(cycles):
        before = acknowledged.stat().st_size
        with start("once", server.url, acknowledged, cycle) as writer:
            eventually(lambda: acknowledged.stat().st_size > before + 50, "acknowledged writes")  # noqa: B023
            server.end(signal.SIGKILL)
            writer.kill()
        server.start()
    assert_kept(server.url, names_in(acknowledged, "disk"), of=cycles)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", WRITES)
@pytest.mark.parametrize("backend", ["sqlite", "redis"])
def test_none_of_many_acknowledged_writes_is_lost(
    request: pytest.FixtureRequest, tmp_path: Path, acknowledged: Path, backend: str, count: int
) -> None:
    if backend == "redis":
        url = request.getfixturevalue("server").url
    else:
        url = f"sqlite://{tmp_path / 'fabric.db'}"
    writer = start("batches", url, acknowledged, count)
    assert writer.wait(800) == -signal.SIGKILL
    assert acknowledged.read_text() == f"{count}"
    with open_fabric(url).sync as fabric:
        assert {run.execution_id for run in everything(fabric)} == {f"{n}" for n in range(count)}


def names_in(file: Path, level: str) -> set[str]:
    """The runs whose writes were acknowledged, each with what it survives."""
    lines = [line.split() for line in file.read_text().splitlines()]
    assert {said for _, said in lines} == {level}
    names = [name for name, _ in lines]
    assert len(set(names)) == len(names)
    return set(names)


def everything(fabric: SyncCacheFabric, graph: str | None = None) -> list[Execution]:
    """All runs, each of them once."""
    found: list[Execution] = []
    cursor: str | None = None
    while True:
        page = fabric.search_executions(limit=500, cursor=cursor, graph=graph)
        found += page
        if (cursor := page.cursor) is None:
            assert len({run.execution_id for run in found}) == len(found)
            return found


def assert_kept(url: str, names: set[str], *, of: int) -> None:
    assert len({name.partition(".")[0] for name in names}) >= of // 2, (
        "too few cycles wrote anything"
    )
    with open_fabric(url).sync as fabric:
        waited = everything(fabric, graph="waited")
        assert names <= {run.execution_id for run in waited}
        torn = [r.execution_id for r in waited if dict(r.state) != state_of(r.execution_id)]
        assert torn == []
        assert_steps_tell(fabric, names)


def assert_steps_tell(fabric: SyncCacheFabric, names: set[str]) -> None:
    """What was handed over before an acknowledged write is there; what is not whole says so."""
    ended = {run.execution_id for run in everything(fabric, graph="steps") if run.complete}
    assert {f"steps.{name}" for name in names} <= ended
    for run in everything(fabric, graph="steps"):
        name = run.execution_id.removeprefix("steps.")
        whole = fabric.get_execution(run.execution_id)
        assert whole is not None
        outputs = [f"{name}/{place}" for place in range(STEPS) if place not in whole.gaps]
        said = [step["output"] for step in whole.steps]
        assert said == outputs[: len(said)]
        assert not whole.complete or (len(said) == STEPS and whole.gaps == ())
    left = everything(fabric, graph="left open")
    assert len(left) >= len(names)
    assert not any(run.complete for run in left)
