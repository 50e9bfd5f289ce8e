"""What an execution keeps of a lookup is what feedback finds again."""

from __future__ import annotations

from typing import Any

import pytest

from cache_fabric import CacheFabric, CacheRequest, Hit, Miss
from cache_fabric.provenance import Served, provenance, served_in


def asked(text: str) -> CacheRequest:
    return CacheRequest(model="m", messages=[{"role": "user", "content": text}])


async def test_a_hit_and_the_miss_before_it_tell_of_the_same_entry(fabric: CacheFabric) -> None:
    miss = await fabric.lookup(asked("how do I reset my password"))
    assert isinstance(miss, Miss)
    entry_id = await fabric.store(miss.ticket, "press the button")
    hit = await fabric.lookup(asked("how do I reset my password"))
    assert isinstance(hit, Hit)
    steps = [{"cache": provenance(miss)}, {"cache": provenance(hit)}]
    made, served = served_in({"steps": steps})
    assert (made.outcome, served.outcome) == ("miss", "hit")
    assert made.entry_id == served.entry_id == entry_id
    assert made.exact == served.exact is not None
    assert made.family == served.family
    assert served.tier == "hot"
    assert served.question is None


async def test_a_hit_by_meaning_tells_what_was_asked(fabric: CacheFabric) -> None:
    miss = await fabric.lookup(asked("how do I reset my password"))
    assert isinstance(miss, Miss)
    await fabric.store(miss.ticket, "press the button")
    await fabric.flush()
    hit = await fabric.lookup(asked("how do I reset my password?"))
    assert isinstance(hit, Hit)
    assert hit.tier == "semantic"
    (served,) = served_in({"cache": provenance(hit)})
    assert served.question == "how do I reset my password?"
    assert served.exact != hit.entry.exact


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"cache": None, "steps": None},
        {"cache": {"outcome": "bypass", "reason": "no-store"}},
        {"cache": {"outcome": "miss", "entry_id": None}},
        {"cache": {"outcome": "hit", "entry_id": 7}},
        {"cache": "hit", "steps": ["a", 1, {"cache": 5}]},
    ],
    ids=["empty", "none", "bypass", "not kept", "no id", "no mapping"],
)
def test_what_names_no_answer_is_passed_over(state: dict[str, Any]) -> None:
    assert list(served_in(state)) == []


def test_a_value_of_another_type_is_left_out() -> None:
    said = {"outcome": "hit", "entry_id": "e", "similarity": True, "stale": 1, "saved_tokens": "9"}
    assert list(served_in({"cache": said})) == [Served(outcome="hit", entry_id="e")]
