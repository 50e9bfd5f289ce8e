"""Feedback is kept with its run and put to the answers of the run, whatever happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cache_fabric import CacheFabric, CacheRequest, Miss
from cache_fabric.errors import BackendUnavailable, NotFound, ValidationError
from cache_fabric.provenance import provenance
from cache_fabric.votes import Action, Effect, Vote

Ask = Callable[..., CacheRequest]


class Bench:
    """Stands where the verdicts are: keeps the last vote of each feedback on each answer."""

    def __init__(self) -> None:
        self.heard: list[Vote] = []
        self.standing: dict[tuple[str, str], str | None] = {}

    async def vote(self, votes: Sequence[Vote]) -> list[Effect]:
        self.heard += votes
        for vote in votes:
            self.standing[vote.feedback_id, vote.served.entry_id] = vote.verdict
        for _ in range(-len(self.heard) % 100):  # who voted first is kept last, if nobody waits
            await asyncio.sleep(0)
        return [_effect(vote) for vote in votes]


def _effect(vote: Vote) -> Effect:
    actions: dict[str | None, Action] = {None: "none", "bad": "quarantined", "good": "confirmed"}
    entry_id = vote.served.entry_id
    return Effect(entry_id=entry_id, action=actions[vote.verdict], reason=vote.why)


@pytest.fixture
def bench(fabric: CacheFabric, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench()
    monkeypatch.setattr(fabric._life().feedback, "_vote", bench.vote)
    return bench


def served(*entries: str, outcome: str = "hit") -> dict[str, Any]:
    """Return the state of a run that was given these answers."""
    caches = [{"outcome": outcome, "entry_id": entry, "exact": f"x{entry}"} for entry in entries]
    return {"status": "success", "cache": caches}


async def test_a_bad_word_reaches_the_answer_that_was_served_and_the_one_that_was_made(
    fabric: CacheFabric, bench: Bench, ask: Ask
) -> None:
    lookups = []
    for _ in range(2):
        result = await fabric.lookup(ask("where is the office?"))
        if isinstance(result, Miss):
            await fabric.store(result.ticket, "In Berne.")
        lookups.append(result)
    for name, result in zip(("made", "served"), lookups, strict=True):
        state = {"cache": provenance(result)}
        await fabric.track_execution(name, "support", state, tenant="acme", user="ann")
    for name in ("made", "served"):
        said = {"user_rating": 1, "comment": "wrong city", "annotator_id": "bob"}
        feedback = await fabric.record_feedback(name, said)
        assert [effect.action for effect in feedback.effects] == ["quarantined"]
    made, hit = bench.heard
    assert made.served.entry_id == hit.served.entry_id
    assert (made.served.outcome, hit.served.outcome) == ("miss", "hit")
    assert (hit.verdict, hit.why, hit.annotator, hit.kind) == ("bad", "wrong city", "bob", "HUMAN")
    assert (hit.trusted, hit.tenant, hit.user) == (True, "acme", "ann")
    assert hit.execution_id == "served"
    assert made.feedback_id != hit.feedback_id


async def test_the_same_name_and_annotator_replace_what_they_said(
    fabric: CacheFabric, bench: Bench
) -> None:
    await fabric.track_execution("1", "g", served("a"))
    first = await fabric.record_feedback("1", {"user_rating": 1, "annotator_id": "ann"})
    other = await fabric.record_feedback("1", {"user_rating": 2, "annotator_id": "bob"})
    again = await fabric.record_feedback("1", {"user_rating": 5, "annotator_id": "ann"})
    assert first.id == again.id != other.id
    assert [old["data"] for old in again.supersedes] == [first.data]
    assert again.supersedes[0]["timestamp"] == first.timestamp
    execution = await fabric.get_execution("1")
    assert execution is not None
    assert [f.id for f in execution.feedback] == [other.id, again.id]
    assert bench.standing == {(other.id, "a"): "bad", (again.id, "a"): "good"}
    assert await fabric.record_feedback("1", again.data) != again  # later
    assert len((await fabric.list_feedback("1"))[0].supersedes) == 1


async def test_what_was_replaced_is_bounded(fabric: CacheFabric, bench: Bench) -> None:
    await fabric.track_execution("1", "g", {})
    for number in range(20):
        kept = await fabric.record_feedback("1", {"user_rating": 1 + number % 5, "n": number})
    assert [old["data"]["n"] for old in kept.supersedes] == [18, 17, 16, 15, 14, 13, 12, 11, 10, 9]
    await fabric.record_feedback("1", {"user_rating": 3, "large": "x" * 100_000})
    kept = await fabric.record_feedback("1", {"user_rating": 3})
    assert kept.supersedes == ()


async def test_a_comment_after_a_thumb_down_takes_nothing_back(
    fabric: CacheFabric, bench: Bench
) -> None:
    await fabric.track_execution("1", "g", served("a"))
    down = await fabric.record_feedback("1", {"user_rating": 1})
    remark = await fabric.record_feedback("1", {"comment": "wrong city", "user_rating": None})
    assert remark.id == down.id
    assert (remark.verdict, remark.data) == ("bad", {"user_rating": 1, "comment": "wrong city"})
    assert bench.standing == {(down.id, "a"): "bad"}
    neither = await fabric.record_feedback("1", {"user_rating": 3})
    assert neither.verdict is None
    assert bench.standing == {(down.id, "a"): None}


async def test_a_comment_alone_votes_on_nothing(fabric: CacheFabric, bench: Bench) -> None:
    await fabric.track_execution("1", "g", served("a"))
    feedback = await fabric.record_feedback("1", {"comment": "quick"})
    assert (feedback.verdict, feedback.effects, bench.heard) == (None, (), [])


async def test_what_is_not_trusted_never_replaces_what_is(
    fabric: CacheFabric, bench: Bench
) -> None:
    await fabric.track_execution("1", "g", served("a"))
    trusted = await fabric.record_feedback("1", {"user_rating": 1})
    stranger = await fabric.record_feedback("1", {"user_rating": 5, "trusted": True}, trusted=False)
    assert (trusted.trusted, stranger.trusted) == (True, False)
    assert bench.standing == {(trusted.id, "a"): "bad", (stranger.id, "a"): "good"}
    assert [vote.trusted for vote in bench.heard] == [True, False]


async def test_a_correction_is_for_the_answer_of_a_run_that_has_one(
    fabric: CacheFabric, bench: Bench
) -> None:
    await fabric.track_execution("one", "g", served("a"))
    await fabric.record_feedback("one", {"correction": "In Bern."})
    assert [(v.verdict, v.correction) for v in bench.heard] == [("bad", "In Bern.")]
    await fabric.track_execution("two", "g", served("a", "b"))
    feedback = await fabric.record_feedback("two", {"correction": "In Bern."})
    assert [(v.verdict, v.correction) for v in bench.heard[1:]] == [("bad", None)] * 2
    assert [effect.action for effect in feedback.effects] == ["quarantined", "quarantined", "none"]
    assert "not corrected" in feedback.effects[-1].reason


async def test_an_unknown_run_is_an_error_that_says_what_to_do(
    fabric: CacheFabric, bench: Bench
) -> None:
    with pytest.raises(NotFound, match=r"'1'.*track_execution.*allow_unknown"):
        await fabric.record_feedback("1", {"user_rating": 1})
    assert await fabric.list_feedback() == []


async def test_feedback_on_an_unknown_run_acts_when_it_is_said_again(
    fabric: CacheFabric, bench: Bench
) -> None:
    early = await fabric.record_feedback("1", {"user_rating": 1}, allow_unknown=True)
    assert (early.verdict, early.effects, early.graph) == ("bad", (), None)
    await fabric.track_execution("1", "g", served("a"), user="ann")
    execution = await fabric.get_execution("1")
    assert execution is not None
    assert (execution.feedback, bench.heard) == ((early,), [])
    late = await fabric.record_feedback("1", {"user_rating": 1})
    assert (late.id, late.graph, late.user, late.supersedes) == (early.id, "g", "ann", ())
    assert bench.standing == {(early.id, "a"): "bad"}


async def test_a_run_that_was_just_handed_in_is_known(fabric: CacheFabric, bench: Bench) -> None:
    for number in range(20):
        assert fabric.track_soon(str(number), "g", served("a"))
        await fabric.record_feedback(str(number), {"user_rating": 1})
    assert len(bench.heard) == 20


async def test_bad_fields_are_named_and_nothing_is_kept(fabric: CacheFabric, bench: Bench) -> None:
    await fabric.track_execution("1", "g", served("a"))
    with pytest.raises(ValidationError, match=r"feedback\.user_rating"):
        await fabric.record_feedback("1", {"user_rating": 9})
    with pytest.raises(ValidationError, match="execution_id"):
        await fabric.record_feedback(None, {"user_rating": 1})  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="trusted"):
        await fabric.record_feedback("1", {"user_rating": 1}, trusted="false")  # type: ignore[arg-type]
    assert await fabric.list_feedback() == []
    assert bench.heard == []


async def test_whoever_got_no_answer_says_it_again(
    fabric: CacheFabric, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store dies after each step in turn; the same words then come to the same end."""
    documents = fabric._life().parts.store.documents
    for name, step in (("1", "put"), ("2", "mark")):
        await fabric.track_execution(name, "g", served("a"))
        await fabric.flush()
        with monkeypatch.context() as broken:

            async def away(*_: Any, **__: Any) -> Any:
                raise BackendUnavailable("memory", "put", "is away")

            broken.setattr(documents, step, away)
            with pytest.raises(BackendUnavailable):
                await fabric.record_feedback(name, {"user_rating": 1})
        kept = await fabric.record_feedback(name, {"user_rating": 1})
        assert await fabric.list_feedback(name) == [kept]
        assert bench.standing[kept.id, "a"] == "bad"
        assert [e.execution_id for e in await fabric.search_executions(feedback="bad")][:1] == [
            name
        ]
    assert len(bench.standing) == 2


async def test_nothing_is_kept_of_what_could_not_act(
    fabric: CacheFabric, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: Sequence[Vote]) -> list[Effect]:
        raise BackendUnavailable("memory", "commit", "is away")

    await fabric.track_execution("1", "g", served("a"))
    monkeypatch.setattr(fabric._life().feedback, "_vote", away)
    with pytest.raises(BackendUnavailable):
        await fabric.record_feedback("1", {"user_rating": 1})
    assert await fabric.list_feedback() == []


async def test_a_run_is_marked_with_what_its_feedback_comes_to(any_fabric: CacheFabric) -> None:
    async def found(**sought: Any) -> list[str]:
        return [e.execution_id for e in await any_fabric.search_executions(**sought)]

    for name in ("1", "2", "3", "4"):
        await any_fabric.track_execution(name, "g", {})
    await any_fabric.record_feedback("1", {"user_rating": 5, "annotator_id": "ann"})
    await any_fabric.record_feedback("1", {"user_rating": 1, "annotator_id": "bob"})
    await any_fabric.record_feedback("2", {"user_rating": 4})
    await any_fabric.record_feedback("3", {"comment": "quick"})
    assert await found(feedback="bad") == ["1"]
    assert await found(feedback="good") == ["2"]
    assert await found(feedback="none") == ["3"]
    assert await found(min_score=0.5, max_score=0.5) == ["1"]
    await any_fabric.record_feedback("1", {"user_rating": 4, "annotator_id": "bob"})
    assert await found(feedback="bad") == []
    assert sorted(await found(feedback="good")) == ["1", "2"]
    assert await found(min_score=0.8) == ["1"]


async def test_a_run_is_marked_with_what_another_process_said_meanwhile(
    fabric: CacheFabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = fabric._life()
    documents, kept = life.parts.store.documents, life.feedback.kept
    await fabric.track_execution("1", "g", {})
    bad = await fabric.record_feedback("1", {"user_rating": 1, "annotator_id": "ann"})
    await documents.delete("f", [bad.id])
    mark, late = documents.mark, [bad]

    async def mark_too_late(*args: Any, **what: Any) -> bool:
        await kept.put([late.pop()] if late else [])
        return await mark(*args, **what)

    monkeypatch.setattr(documents, "mark", mark_too_late)
    await fabric.record_feedback("1", {"user_rating": 5, "annotator_id": "bob"})
    assert [e.execution_id for e in await fabric.search_executions(feedback="bad")] == ["1"]


async def test_feedback_is_counted_by_verdict(fabric: CacheFabric, bench: Bench) -> None:
    await fabric.track_execution("1", "g", served("a", "b"))
    await fabric.record_feedback("1", {"user_rating": 1})
    await fabric.record_feedback("1", {"comment": "hm", "annotator": "LLM"})
    assert (await fabric.get_metrics())["feedback"] == {"bad": 1, "none": 1}


async def test_what_is_said_at_once_is_taken_one_after_another(
    fabric: CacheFabric, bench: Bench
) -> None:
    await fabric.track_execution("1", "g", served("a"))
    ratings = [{"user_rating": 1 + n // 50, "annotator_id": f"p{n % 50}"} for n in range(200)]
    kept = await asyncio.gather(*(fabric.record_feedback("1", given) for given in ratings))
    last = {f.id: f for f in sorted(kept, key=lambda f: f.timestamp)}  # whoever had its turn last
    listed = await fabric.list_feedback("1", limit=100)
    assert {f.id: f.data for f in listed} == {f.id: f.data for f in last.values()}
    assert bench.standing == {(f.id, "a"): f.verdict for f in last.values()}
    scores = [f.score for f in listed if f.score is not None]
    mean = sum(scores) / len(scores)
    marked = await fabric.search_executions(min_score=mean - 1e-9, max_score=mean + 1e-9)
    assert len(marked) == 1
    assert not fabric._life().feedback._turns
