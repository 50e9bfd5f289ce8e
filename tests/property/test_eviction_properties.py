"""Eviction under any traffic: bounds hold, memory is bounded, nobody is starved."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.eviction import Bounds, Eviction, Item, Verdict

items = st.builds(
    Item,
    key=st.integers(0, 30).map(str),
    size=st.integers(1, 60),
    cost=st.floats(1e-9, 1e12, allow_nan=False),
    tenant=st.sampled_from([None, "a", "b", "c"]),
)
limits = st.none() | st.integers(1, 20)
bounds = st.builds(
    Bounds,
    max_entries=limits,
    max_bytes=st.none() | st.integers(1, 300),
    tenant_max_entries=limits,
    tenant_max_bytes=st.none() | st.integers(1, 100),
)
steps = st.lists(
    st.tuples(st.just("admit"), items)
    | st.tuples(st.just("used"), st.integers(0, 40).map(str))
    | st.tuples(st.just("forget"), st.lists(st.integers(0, 40).map(str), max_size=3)),
    max_size=120,
)


def within(total: int, most: int | None) -> bool:
    return most is None or total <= most


def assert_bounds(kept: dict[str, Item], bounds: Bounds) -> None:
    assert within(len(kept), bounds.max_entries)
    assert within(sum(item.size for item in kept.values()), bounds.max_bytes)
    count: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for item in kept.values():
        if item.tenant is not None:
            count[item.tenant] += 1
            size[item.tenant] += item.size
    assert all(within(most, bounds.tenant_max_entries) for most in count.values())
    assert all(within(most, bounds.tenant_max_bytes) for most in size.values())


def follow(kept: dict[str, Item], item: Item, verdict: Verdict) -> None:
    """Do to a plain dict what a store would be told to do."""
    for gone in verdict.evicted:
        assert kept.pop(gone.key) == gone
    if verdict.admitted:
        kept[item.key] = item
    else:
        assert item.key not in kept


def run(bounds: Bounds, steps: list[tuple[str, object]]) -> tuple[Eviction, dict[str, Item]]:
    eviction, kept = Eviction(bounds), dict[str, Item]()
    for name, argument in steps:
        if isinstance(argument, Item):
            follow(kept, argument, eviction.admit(argument))
        elif isinstance(argument, str):
            eviction.used(argument)
        else:
            assert isinstance(argument, list), name
            eviction.forget(argument)
            for key in argument:
                kept.pop(key, None)
        assert_bounds(kept, bounds)
    return eviction, kept


@given(bounds, steps)
def test_bounds_hold_after_every_step_and_the_count_is_right(
    bounds: Bounds, steps: list[tuple[str, object]]
) -> None:
    eviction, kept = run(bounds, steps)
    assert sorted(eviction.keys()) == sorted(kept)
    assert eviction.entries == len(kept)
    assert eviction.bytes == sum(item.size for item in kept.values())


@given(bounds, steps)
def test_the_same_traffic_gives_the_same_verdicts(
    bounds: Bounds, steps: list[tuple[str, object]]
) -> None:
    assert run(bounds, steps)[0].keys() == run(bounds, steps)[0].keys()


@given(steps)
def test_without_bounds_all_is_kept(steps: list[tuple[str, object]]) -> None:
    eviction, _ = run(Bounds(), steps)
    for name, argument in steps:
        if name == "admit":
            assert isinstance(argument, Item)
            assert eviction.admit(argument) == Verdict(True)


@given(st.integers(1, 20), st.integers(0, 3))
def test_memory_follows_what_is_kept_not_what_was_seen(most: int, tenants: int) -> None:
    eviction = Eviction(Bounds(max_entries=most, tenant_max_entries=most))
    for number in range(2000):
        tenant = f"t{number % tenants}" if tenants else f"t{number}"
        eviction.admit(Item(str(number), 1, 1.0, tenant))
        eviction.used(str(number // 2))
    eviction.forget(eviction.keys()[1:])
    assert eviction.entries == 1
    assert eviction.state_items <= 5 + 2 * 64


@given(st.lists(st.integers(0, 50).map(str), max_size=200), st.integers(1, 5))
def test_a_tenant_at_its_bound_displaces_nobody_else(noise: list[str], quiet: int) -> None:
    eviction = Eviction(Bounds(max_entries=10, tenant_max_entries=5))
    mine = [f"quiet {number}" for number in range(quiet)]
    for key in mine:
        eviction.admit(Item(key, 1, 1.0, "quiet"))
    for key in noise:
        eviction.admit(Item(key, 1, 1e6, "loud"))
        eviction.used(key)
    assert set(mine) <= set(eviction.keys())


@given(st.integers(1, 50), st.integers(1, 200))
def test_who_asks_again_gets_in_however_valued_those_before_were(kept: int, hits: int) -> None:
    eviction = Eviction(Bounds(max_entries=kept))
    for number in range(kept):
        eviction.admit(Item(f"old {number}", 1, 1.0, "old"))
        for _ in range(hits):
            eviction.used(f"old {number}")
    newcomer = Item("new", 1, 1.0, "new")
    # Counting the old ones' hits took at most kept * (hits + 1) requests; as many suffice.
    assert any(eviction.admit(newcomer).admitted for _ in range(kept * (hits + 1) + 1))


def test_what_costs_more_a_byte_stays() -> None:
    eviction = Eviction(Bounds(max_bytes=100))
    eviction.admit(Item("dear", 50, 100.0))
    eviction.admit(Item("cheap", 50, 1.0))
    assert eviction.admit(Item("fair", 40, 50.0)).evicted == (Item("cheap", 50, 1.0),)
    assert not eviction.admit(Item("cheap", 50, 1.0)).admitted
    assert eviction.keys() == ["dear", "fair"]


def test_frequency_outlives_the_entry() -> None:
    eviction = Eviction(Bounds(max_entries=1))
    a, b = Item("a", 1, 1.0), Item("b", 1, 1.0)
    eviction.admit(a)
    eviction.used("a")
    eviction.used("a")
    assert not eviction.admit(b).admitted
    eviction.forget(["a"])
    eviction.admit(b)
    assert eviction.admit(a).admitted, "a was asked for more often, and that is remembered"


def test_a_refused_newcomer_changes_nothing_but_its_count() -> None:
    eviction = Eviction(Bounds(max_bytes=100))
    eviction.admit(Item("small and cheap", 10, 1.0))
    eviction.admit(Item("dear", 90, 900.0))
    assert eviction.admit(Item("large", 100, 500.0)) == Verdict(False)
    assert set(eviction.keys()) == {"dear", "small and cheap"}
    assert eviction.bytes == 100


@pytest.mark.parametrize("bound", ["max_bytes", "tenant_max_bytes"])
def test_what_can_never_fit_displaces_nothing(bound: str) -> None:
    eviction = Eviction(Bounds(**{bound: 10}))
    eviction.admit(Item("a", 5, 1.0, "t"))
    assert eviction.admit(Item("b", 11, 1e9, "t")) == Verdict(False)
    assert eviction.admit(Item("a", 11, 1e9, "t")) == Verdict(False, (Item("a", 5, 1.0, "t"),))
