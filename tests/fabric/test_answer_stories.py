"""``explain`` tells what happened to an answer, and erasing leaves nothing of a person in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cache_fabric import CacheFabric, CacheRequest, Usage
from cache_fabric.errors import NotFound, ValidationError
from cache_fabric.explanation import EntryExplanation
from cache_fabric.subject import Subject
from voting import a_vote, answered, cast, hit, missed

Ask = Callable[..., CacheRequest]
Q, Q_TOO = "How do I return an item?", "How can I return an item?"


async def story(fabric: CacheFabric, entry_id: str) -> EntryExplanation:
    explained = await fabric.explain(entry_id)
    assert isinstance(explained, EntryExplanation)
    return explained


async def test_the_whole_story_is_told_in_order(any_fabric: CacheFabric, ask: Ask) -> None:
    result = await any_fabric.lookup(ask(Q))
    usage = Usage(input_tokens=10, output_tokens=10)
    entry_id = await any_fabric.store(result.ticket, "x", usage=usage)  # type: ignore[union-attr]
    assert entry_id is not None
    found = await hit(any_fabric, ask(Q_TOO))
    await cast(any_fabric, a_vote(found, by="ann", why="wrong shop", run="r"))
    await any_fabric.restore_answer(entry_id, by="olga", why="it is right")
    told = await story(any_fabric, entry_id)
    assert told.state == "active"
    assert [one.what for one in told.history] == [
        *("made", "served", "found bad", "quarantined", "saving taken back"),
        *("restored", "saving booked again"),
    ]
    bad = told.history[2]
    assert (bad.by, bad.why, bad.execution_id) == ("ann", "wrong shop", "r")
    assert (told.history[5].by, told.history[5].why) == ("olga", "it is right")
    times = [one.at for one in told.history]
    assert times == sorted(times)


async def test_a_quarantined_answer_is_explained_and_one_that_is_gone(
    fabric: CacheFabric, ask: Ask
) -> None:
    entry_id = await answered(fabric, ask(Q))
    await cast(fabric, a_vote(await hit(fabric, ask(Q)), correction="Bring it."))
    told = await fabric.explain(entry_id, texts=True)
    assert isinstance(told, EntryExplanation)
    assert (told.state, told.text, told.model) == ("quarantined", "By post.", "gpt-4o-mini")
    (pin,) = await fabric.list_answers(state="pinned")
    assert (await story(fabric, pin.id)).state == "pinned"
    assert [one.what for one in (await story(fabric, pin.id)).history][:2] == ["made", "pinned"]
    await fabric.invalidate(entry=entry_id)
    left = await story(fabric, entry_id)
    assert (left.state, left.text, left.model) == ("quarantined", None, "gpt-4o-mini")
    await fabric.restore_answer(entry_id)
    assert (await story(fabric, entry_id)).state == "gone"


async def test_answers_are_listed_by_their_state(fabric: CacheFabric, ask: Ask) -> None:
    ids = [await answered(fabric, ask(q, tenant="acme")) for q in ("one", "two", "three")]
    await fabric.retire_answer(ids[0])
    await fabric.pin_answer(ids[1])

    async def listed(state: str, **named: str) -> list[str]:
        return [e.id for e in await fabric.list_answers(state=state, **named)]  # type: ignore[arg-type]

    assert await listed("quarantined", tenant="acme") == [ids[0]]
    assert await listed("pinned", model="gpt-4o-mini") == [ids[1]]
    assert await listed("active") == [ids[2]]
    assert await listed("quarantined", tenant="globex") == []
    with pytest.raises(ValidationError, match="state: expected one of active, quarantined, pinned"):
        await listed("lost")


async def test_search_passes_over_what_is_quarantined(fabric: CacheFabric, ask: Ask) -> None:
    entry_id = await answered(fabric, ask(Q))
    await answered(fabric, ask("When does the shop open?"))
    await fabric.retire_answer(entry_id)
    assert entry_id not in [item.key for item in await fabric.search_similar(Q)]


async def records(fabric: CacheFabric) -> bytes:
    found = await fabric._run(lambda life: life.parts.store.records(""))
    return b"\n".join(record.key.encode() + record.value for record in found)


async def test_nothing_of_a_user_is_left_when_it_is_erased(fabric: CacheFabric, ask: Ask) -> None:
    shared = await answered(fabric, ask(Q))
    found = await hit(fabric, ask(Q_TOO))
    theirs = {"user": "canary-user", "by": "canary-ann", "run": "canary-run"}
    await cast(fabric, a_vote(found, why="canary-why", correction="canary-text", **theirs))
    own = await answered(fabric, ask(Q, user="canary-user"), "canary-answer")
    await fabric.retire_answer(own)
    assert b"canary" in await records(fabric)
    subject = Subject(user="canary-user")
    assert await fabric._run(lambda life: life.verdicts.keeping.erase(subject)) == 3
    left = await records(fabric)
    assert b"canary" not in left
    assert await fabric.list_answers(state="pinned") == []
    with pytest.raises(NotFound):
        await fabric.explain(own)
    # What they said of an answer of all goes on counting.
    assert (await story(fabric, shared)).state == "quarantined"
    assert await missed(fabric, ask(Q))
