"""Random programs of store calls against a model of two dicts and a list."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cache_fabric.stores.base import CommitConflict, Record, Store, Write
from cache_fabric.stores.memory import MemoryStore
from cache_fabric.stores.sqlite import SqliteStore
from cache_fabric.testing.stores import ManualClock

T = TypeVar("T")

LOG_LIMIT = 2
KEYS = st.sampled_from(["", "a", "aa", "a%", "a_", "a\x00", "b", "\ud800", "\U0001f600", "\xff"])
VALUES = st.binary(max_size=3)
TTLS = st.sampled_from([None, 1.0, 5.0])
WRITES = st.lists(st.builds(Write, KEYS, st.none() | VALUES, TTLS), max_size=4)


class StoreMachine(RuleBasedStateMachine):
    """What a store says must be what the model says, after any program."""

    reopens: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = ManualClock(1_000.0)
        self.cache: dict[str, tuple[bytes, float]] = {}
        self.kept: dict[str, Record] = {}
        self.notes: list[bytes] = []

    def make_store(self) -> Store:
        return MemoryStore("model", clock=self.clock, log_limit=LOG_LIMIT)

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(call)

    @initialize()
    def open_store(self) -> None:
        self.store = self.make_store()
        self.run(self.store.open())

    def teardown(self) -> None:
        self.run(self.store.aclose())
        self.runner.close()
        self.folder.cleanup()

    def live(self, prefix: str = "") -> dict[str, bytes]:
        return {
            key: value
            for key, (value, expires) in self.cache.items()
            if key.startswith(prefix) and expires > self.clock()
        }

    @rule(writes=WRITES)
    def set_many(self, writes: list[Write]) -> None:
        self.run(self.store.set_many(writes))
        for write in writes:
            if write.value is None:
                self.cache.pop(write.key, None)
            else:
                expires = float("inf") if write.ttl is None else self.clock() + write.ttl
                self.cache[write.key] = (write.value, expires)

    @rule(keys=st.lists(KEYS, max_size=4))
    def get_many(self, keys: list[str]) -> None:
        live = self.live()
        assert self.run(self.store.get_many(keys)) == [live.get(key) for key in keys]

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        assert self.run(self.store.get(key)) == self.live().get(key)

    @rule(key=KEYS, value=VALUES, ttl=st.sampled_from([1.0, 5.0]))
    def add(self, key: str, value: bytes, ttl: float) -> None:
        absent = key not in self.live()
        assert self.run(self.store.add(key, value, ttl)) is absent
        if absent:
            self.cache[key] = (value, self.clock() + ttl)

    @rule(key=KEYS, value=VALUES)
    def remove_if(self, key: str, value: bytes) -> None:
        held = self.live().get(key) == value
        assert self.run(self.store.remove_if(key, value)) is held
        if held:
            del self.cache[key]

    @rule(keys=st.lists(KEYS, max_size=4))
    def delete(self, keys: list[str]) -> None:
        expected = len(self.live().keys() & set(keys))
        assert self.run(self.store.delete(keys)) == expected
        for key in keys:
            self.cache.pop(key, None)

    @rule(prefix=KEYS)
    def scan(self, prefix: str) -> None:
        async def scanned() -> list[tuple[str, bytes]]:
            return [item async for item in self.store.scan(prefix)]

        assert sorted(self.run(scanned())) == sorted(self.live(prefix).items())

    @rule(prefix=KEYS)
    def clear(self, prefix: str) -> None:
        live = self.live(prefix)
        assert self.run(self.store.clear(prefix)) == len(live)
        for key in live:
            del self.cache[key]

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.0]))
    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(
        writes=WRITES,
        note=VALUES,
        guarded=st.lists(KEYS, max_size=2, unique=True),
        error=st.sampled_from([0, 0, 0, 1]),
    )
    def commit(self, writes: list[Write], note: bytes, guarded: list[str], error: int) -> None:
        current = {key: self.kept[key].revision if key in self.kept else 0 for key in guarded}
        expect = {key: revision + error for key, revision in current.items()}
        call = self.store.commit(writes, note=note, expect=expect)
        if error and guarded:
            with pytest.raises(CommitConflict) as raised:
                self.run(call)
            assert (raised.value.key, raised.value.current) == (guarded[0], current[guarded[0]])
            return
        revision = self.run(call)
        self.notes.append(note)
        assert revision == len(self.notes)
        for write in writes:
            if write.value is None:
                self.kept.pop(write.key, None)
            else:
                self.kept[write.key] = Record(write.key, write.value, revision)

    @rule(after=st.integers(0, 12), limit=st.integers(1, 6))
    def changes(self, after: int, limit: int) -> None:
        head, floor = len(self.notes), max(0, len(self.notes) - LOG_LIMIT)
        page = self.run(self.store.changes(after, limit))
        first = max(after, floor)
        expected = [(number + 1, self.notes[number]) for number in range(first, head)][:limit]
        assert [(change.revision, change.note) for change in page.items] == expected
        assert (page.head, page.floor) == (head, floor)

    @rule(after=st.integers(0, 12))
    def wait(self, after: int) -> None:
        assert self.run(self.store.wait(after, 0)) is (len(self.notes) > after)

    @precondition(lambda self: self.reopens)
    @rule()
    def reopen(self) -> None:
        self.run(self.store.aclose())
        self.open_store()

    @invariant()
    def records_are_those_of_the_model(self) -> None:
        expected = [self.kept[key] for key in sorted(self.kept)]
        assert self.run(self.store.records("")) == expected
        assert self.run(self.store.read(sorted(self.kept))) == expected


class SqliteMachine(StoreMachine):
    reopens = True

    def make_store(self) -> Store:
        path = Path(self.folder.name) / "store.db"
        return SqliteStore(path, "model", clock=self.clock, log_limit=LOG_LIMIT)


FAST = settings(
    max_examples=40,
    stateful_step_count=40,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestMemoryStoreModel = StoreMachine.TestCase
TestMemoryStoreModel.settings = FAST
TestSqliteStoreModel = SqliteMachine.TestCase
TestSqliteStoreModel.settings = FAST
