"""Executions leave by age and by number; those that were judged stay twice as long."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import CacheFabric, FabricConfig, Threshold, create_cache_fabric
from cache_fabric.errors import ConfigurationError
from cache_fabric.stores.documents import Query
from fabric.conftest import Clock

DAY = 86_400.0
Make = Callable[..., CacheFabric]


@pytest.fixture(params=["memory", "local"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterable[Make]:
    made: list[CacheFabric] = []

    def fabric(**bounds: Any) -> CacheFabric:
        options: dict[str, Any] = {"path": tmp_path} if request.param == "local" else {}
        config = FabricConfig(**bounds)
        made.append(
            create_cache_fabric(request.param, policy=Threshold(), config=config, **options)
        )
        return made[-1]

    yield fabric
    for one in made:
        one.sync.close()


def track(fabric: CacheFabric, clock: Clock, names: str) -> None:
    """Track a run a name, an hour apart."""
    for name in names:
        fabric.sync.track_execution(name, "g", {"input": f"question {name}"})
        clock.now += 3600


def kept(fabric: CacheFabric) -> str:
    return "".join(sorted(e.execution_id for e in fabric.sync.search_executions(limit=1000)))


def apply(fabric: CacheFabric) -> None:
    fabric.sync.flush()
    life = fabric._life()
    life.portal.call(life.tracking.retention.apply)


def test_what_is_too_old_goes_and_what_was_judged_stays_twice_as_long(
    make: Make, clock: Clock
) -> None:
    fabric = make(executions_max_age=DAY)
    track(fabric, clock, "abc")
    fabric.sync.record_feedback("b", {"comment": "look at this"})
    apply(fabric)
    assert kept(fabric) == "abc"
    clock.now += DAY - 1.5 * 3600
    apply(fabric)
    assert kept(fabric) == "bc"
    clock.now += DAY
    apply(fabric)
    assert kept(fabric) == ""


def test_the_oldest_go_when_there_are_too_many(make: Make, clock: Clock) -> None:
    fabric = make(executions_max_count=3)
    track(fabric, clock, "abc")
    apply(fabric)  # waits for the look that the first write has begun
    fabric.sync.record_feedback("a", {"comment": "keep"})
    track(fabric, clock, "def")
    apply(fabric)
    assert kept(fabric) == "adef"


def test_of_those_that_were_judged_as_many_stay(make: Make, clock: Clock) -> None:
    fabric = make(executions_max_count=1)
    for name in "abc":
        track(fabric, clock, name)
        fabric.sync.record_feedback(name, {"comment": "keep"})
    apply(fabric)
    assert kept(fabric) == "c"


def test_of_many_of_one_time_only_as_many_go_as_are_too_many(make: Make, clock: Clock) -> None:
    fabric = make(executions_max_count=4)
    for name in "abcdefg":
        fabric.sync.track_execution(name, "g", {})
    apply(fabric)
    assert len(kept(fabric)) == 4


def test_steps_feedback_and_question_go_with_a_run(make: Make, clock: Clock) -> None:
    fabric = make(executions_max_age=DAY)
    run = fabric.start_execution("g", execution_id="a", input="Where is my parcel?")
    run.step("tool", "search")
    fabric.sync.flush()
    fabric.sync.record_feedback("a", {"comment": "slow"})
    clock.now += 3 * DAY
    track(fabric, clock, "b")
    apply(fabric)
    assert kept(fabric) == "b"
    life = fabric._life()
    documents = life.parts.store.documents
    left = [life.portal.call(lambda: documents.count(k, Query())) for k in "ef"]  # noqa: B023
    assert left == [0, 0]
    near = fabric.sync.search_executions(like="Where is my parcel?")
    assert [e.execution_id for e in near] == ["b"]
    assert life.portal.call(lambda: life.parts.index.count(life.engine.semantic.questions)) == 1


def test_a_question_stays_while_somebody_else_has_asked_it(make: Make, clock: Clock) -> None:
    fabric = make(executions_max_count=1)
    for name in "ab":
        fabric.sync.track_execution(name, "g", {"input": "Where is my parcel?"})
        clock.now += 3600
    apply(fabric)
    near = fabric.sync.search_executions(like="Where is my parcel?")
    assert [e.execution_id for e in near] == ["b"]


def test_it_is_looked_after_by_the_hour(make: Make, clock: Clock) -> None:
    fabric = make(executions_max_age=DAY)
    track(fabric, clock, "a")
    fabric.sync.flush()
    clock.now += 2 * DAY
    assert writes_until_gone(fabric, "a") < 100


def test_it_is_looked_after_every_so_many_writes(make: Make, clock: Clock) -> None:
    fabric = make(executions_max_count=1)
    fabric.sync.track_execution("a", "g", {})
    fabric.sync.flush()
    clock.now += 1
    assert writes_until_gone(fabric, "a") < 2_500


def writes_until_gone(fabric: CacheFabric, name: str) -> int:
    for number in itertools.count():
        fabric.sync.track_execution(f"later {number}", "g", {})
        if number > 2_500 or fabric.sync.get_execution(name) is None:
            return number
    raise AssertionError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("executions_max_age", 0),
        ("executions_max_age", "a day"),
        ("executions_max_age", float("nan")),
        ("executions_max_count", 0),
        ("executions_max_count", 1.5),
        ("index_executions", None),
    ],
)
def test_a_bound_that_is_none_is_told(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        FabricConfig(**{name: value})
