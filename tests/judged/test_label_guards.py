"""Label guards: bad feedback takes a label back, once, and never against a person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cache_fabric import CacheFabric, ContextScope
from cache_fabric.context_rules import Label
from cache_fabric.errors import BackendUnavailable, NotFound, ValidationError
from cache_fabric.label_guards import LabelGuards
from cache_fabric.records import ContextChange, Resync
from cache_fabric.scopes import Owner
from cache_fabric.stores.base import Changes
from cache_fabric.subject import Subject
from cache_fabric.version_records import LabelGuard
from judged.conftest import KEY, Make, judge, judged, labelled

FEW: dict[str, Any] = {"minimum": 3, "dry_run": False}


async def guard(fabric: CacheFabric) -> LabelGuard:
    [found] = await fabric.label_guards()
    return found


async def next_move(changes: AsyncIterator[ContextChange | Resync]) -> ContextChange:
    async with asyncio.timeout(20):
        change = await anext(changes)
    assert isinstance(change, ContextChange)
    return change


async def test_bad_feedback_moves_the_label_back_and_says_why(shop: CacheFabric) -> None:
    await shop.guard_label(KEY, "production", **FEW)
    changes = shop.watch(after=(await shop.get_context(KEY)).revision)
    await judge(shop, 2, 1, 2)
    assert await labelled(shop) == 2
    await judge(shop, 2, 2, 1)
    assert await labelled(shop) == 1
    change = await next_move(changes)
    await changes.aclose()
    assert (change.op, change.label, change.before, change.version) == ("label", "production", 2, 1)
    assert change.author == "label guard"
    assert change.message == (
        "back from version 2 to 1: mean score of version 2 is 0.08, below 0.7, "
        "by 3 feedbacks of the last 3600 s (at least 3)"
    )
    fired = (await guard(shop)).fired
    assert fired is not None
    assert (fired.from_version, fired.to_version, fired.moved) == (2, 1, True)
    assert fired.why in str(change.message)
    assert (await shop.get_metrics())["label_guards"] == {"moved": 1}


async def test_by_itself_a_guard_only_notes_what_it_would_do_and_does_so_once(
    shop: CacheFabric,
) -> None:
    await shop.guard_label(KEY, "production", minimum=3)
    await judge(shop, 2, 1, 5)
    assert await labelled(shop) == 2
    fired = (await guard(shop)).fired
    assert fired is not None
    assert (fired.from_version, fired.to_version, fired.moved) == (2, 1, False)
    assert "3 feedbacks" in fired.why
    assert (await shop.get_metrics())["label_guards"] == {"would_move": 1}


async def test_without_a_guard_nothing_moves(shop: CacheFabric) -> None:
    await judge(shop, 2, 1, 30)
    assert await labelled(shop) == 2
    assert await shop.label_guards() == []


async def test_good_feedback_and_that_on_other_versions_moves_nothing(shop: CacheFabric) -> None:
    await shop.guard_label(KEY, "production", **FEW)
    await judge(shop, 1, 1, 5)
    await judge(shop, 2, 4, 5)
    await judged(shop, "remark", 2, {"comment": "hm"})
    assert await labelled(shop) == 2


async def test_what_is_not_trusted_moves_nothing(shop: CacheFabric) -> None:
    await shop.guard_label(KEY, "production", **FEW)
    await judge(shop, 2, 1, 10, trusted=False)
    assert await labelled(shop) == 2


async def test_the_share_of_good_feedback_is_a_metric(shop: CacheFabric) -> None:
    await shop.guard_label(KEY, "production", metric="good", bound=0.5, **FEW)
    await judge(shop, 2, 5, 2)
    await judge(shop, 2, 3, 5)  # no verdict
    await judge(shop, 2, 1, 2)
    assert await labelled(shop) == 2
    await judged(shop, "one more", 2, {"match": False})
    assert await labelled(shop) == 1
    fired = (await guard(shop)).fired
    assert fired is not None
    assert "share of good feedback of version 2 is 0.40" in fired.why


async def test_feedback_from_before_the_label_moved_there_does_not_count(
    shop: CacheFabric,
) -> None:
    await judge(shop, 2, 1, 3)
    await shop.label_context(KEY, "production", 1, force=True)
    await shop.label_context(KEY, "production", 2, force=True)
    await shop.guard_label(KEY, "production", **FEW)
    await judge(shop, 2, 2, 2)
    assert await labelled(shop) == 2
    await judge(shop, 2, 1.5, 1)
    assert await labelled(shop) == 1


async def test_a_guard_that_has_fired_rests_until_another_version_or_until_it_is_set_anew(
    shop: CacheFabric,
) -> None:
    await shop.guard_label(KEY, "production", **FEW)
    await judge(shop, 2, 1, 3)
    assert await labelled(shop) == 1
    await judge(shop, 1, 1, 5)
    assert await labelled(shop) == 1  # it does not swing back
    await shop.label_context(KEY, "production", 2, force=True)
    await judge(shop, 2, 2, 5)
    assert await labelled(shop) == 2  # a person has decided against it
    await shop.set_context(KEY, "A third.")
    await shop.label_context(KEY, "production", 3, force=True)
    await judge(shop, 3, 1, 3)
    assert await labelled(shop) == 2
    await shop.label_context(KEY, "production", 3, force=True)
    await shop.guard_label(KEY, "production", **FEW)
    await judge(shop, 3, 2, 3)
    assert await labelled(shop) == 2


async def test_it_does_not_go_back_to_what_a_guard_took_it_from(shop: CacheFabric) -> None:
    await shop.guard_label(KEY, "production", **FEW)
    await judge(shop, 2, 1, 3)
    await shop.guard_label(KEY, "production", **FEW)
    await judge(shop, 1, 1, 3)
    assert await labelled(shop) == 1
    fired = (await guard(shop)).fired
    assert fired is not None
    assert (fired.to_version, fired.moved) == (None, False)
    assert "the version before did badly too" in fired.why


async def test_a_person_who_moves_the_label_meanwhile_has_the_last_word(
    shop: CacheFabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.set_context(KEY, "A third.")
    await shop.guard_label(KEY, "production", **FEW)
    move = LabelGuards._move

    async def overtaken(self: LabelGuards, *said: Any) -> None:
        step = Label(key=KEY, label="production", version=3, force=True)
        await self._contexts.write([(f"global\x1f{KEY}", step)])
        await move(self, *said)

    monkeypatch.setattr(LabelGuards, "_move", overtaken)
    await judge(shop, 2, 1, 3)
    assert await labelled(shop) == 3
    assert (await guard(shop)).fired is None


async def test_of_many_that_see_it_at_once_one_moves_it(make: Make, shop: CacheFabric) -> None:
    others = [shop, await make(), await make()]
    await shop.guard_label(KEY, "production", **FEW)
    revision = (await shop.get_context(KEY, max_staleness=0)).revision
    for number in range(2):
        await judged(shop, f"first-{number}", 2, {"user_rating": 1})
    for number, fabric in enumerate(others * 4):
        await fabric.track_execution(
            f"x-{number}", "g", {"contexts": [{"key": KEY, "version": 2}]}, durable=True
        )
    await asyncio.gather(
        *(
            fabric.record_feedback(f"x-{number}", {"user_rating": 1})
            for number, fabric in enumerate(others * 4)
        )
    )
    assert await labelled(shop) == 1
    changes = await shop._run(lambda life: life.contexts.changes(revision, "", Owner()))
    assert [change.label for change in changes[0]] == ["production"]  # type: ignore[union-attr]


async def test_where_the_log_no_longer_tells_it_reports_and_does_nothing(
    shop: CacheFabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.guard_label(KEY, "production", **FEW)
    store = shop._life().parts.store
    changes = store.changes

    async def trimmed(after: int, limit: int = 1000) -> Changes:
        page = await changes(after, limit)
        return Changes((), page.head, page.head)

    monkeypatch.setattr(store, "changes", trimmed)
    await judge(shop, 2, 1, 3)
    monkeypatch.undo()
    assert await labelled(shop) == 2
    fired = (await guard(shop)).fired
    assert fired is not None
    assert (fired.to_version, fired.moved) == (None, False)
    assert "the change log no longer tells" in fired.why
    assert (await shop.get_metrics())["label_guards"] == {"stuck": 1}


async def test_a_label_that_was_never_elsewhere_has_nowhere_to_go(shop: CacheFabric) -> None:
    await shop.label_context(KEY, "canary", 2)
    await shop.guard_label(KEY, "canary", **FEW)
    await judge(shop, 2, 1, 3)
    assert await labelled(shop, "canary") == 2
    fired = (await guard(shop)).fired
    assert fired is not None
    assert "never pointed at another" in fired.why


async def test_a_label_that_is_set_where_it_is_has_not_moved(shop: CacheFabric) -> None:
    await shop.label_context(KEY, "production", 2, if_version=2)
    await shop.guard_label(KEY, "production", **FEW)
    await judge(shop, 2, 1, 3)
    assert await labelled(shop) == 1


async def test_it_finds_a_move_that_lies_far_back_in_the_log(
    shop: CacheFabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cache_fabric.label_history._PAGE", 3)
    for number in range(10):
        await shop.set_context("noise", number)
    await shop.guard_label(KEY, "production", **FEW)
    await judge(shop, 2, 1, 3)
    assert await labelled(shop) == 1


async def test_its_fault_does_not_fail_the_feedback_and_is_counted(
    shop: CacheFabric, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await shop.guard_label(KEY, "production", **FEW)

    async def broken(*_: object) -> None:
        raise BackendUnavailable("store", "read", "gone")

    monkeypatch.setattr(LabelGuards, "_look", broken)
    assert (await judged(shop, "x", 2, {"user_rating": 1})).score == 0.0
    assert (await shop.get_metrics())["label_guards"] == {"fault": 1}
    assert "could not be looked at" in caplog.text


async def test_a_tenants_guard_watches_over_the_tenants_own_context(shop: CacheFabric) -> None:
    mine: dict[str, Any] = {"scope": ContextScope.TENANT, "tenant": "acme"}
    for text in ("one", "two"):
        await shop.set_context(KEY, text, **mine)
    await shop.label_context(KEY, "production", 1, **mine)
    await shop.label_context(KEY, "production", 2, force=True, **mine)
    await shop.guard_label(KEY, "production", tenant="acme", **FEW)
    await shop.guard_label(KEY, "production", **FEW)
    await judge(shop, 2, 1, 3, tenant="globex")
    assert await labelled(shop) == 1
    await judge(shop, 2, 1, 2, tenant="acme")
    theirs = await shop.get_context(KEY, label="production", tenant="acme", max_staleness=0)
    assert theirs.version == 2  # what others say of their version 2 does not count
    await judge(shop, 2, 1.5, 1, tenant="acme")
    theirs = await shop.get_context(KEY, label="production", tenant="acme", max_staleness=0)
    assert theirs.version == 1


async def test_guards_are_listed_taken_away_and_erased_with_their_tenant(
    shop: CacheFabric,
) -> None:
    await shop.set_context(KEY, "one", ContextScope.TENANT, tenant="acme")
    await shop.label_context(KEY, "live", 1, scope=ContextScope.TENANT, tenant="acme")
    await shop.guard_label(KEY, "production")
    await shop.guard_label(KEY, "live", tenant="acme")
    guards = shop._life().label_guards
    assert [(g.label, g.tenant) for g in await shop.label_guards()] == [
        ("production", None),
        ("live", "acme"),
    ]
    assert await shop._run(lambda _: guards.erase(Subject(tenant="acme", user="ann"))) == 0
    assert await shop._run(lambda _: guards.erase(Subject(tenant="acme"))) == 1
    assert not await shop.unguard_label(KEY, "live", tenant="acme")
    assert await shop.unguard_label(KEY, "production")
    assert await shop.label_guards() == []
    await judge(shop, 2, 1, 30)
    assert await labelled(shop) == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("metric", value) for value in ("latency", None)),
        *(("window", value) for value in (0, -1, None, "1h", float("inf"))),
        *(("minimum", value) for value in (0, 1_001, 2.5, True)),
        *(("bound", value) for value in (0, 1.1, True, "0.7", float("nan"))),
    ],
)
async def test_a_limit_that_is_none_is_named(shop: CacheFabric, field: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=field):
        await shop.guard_label(KEY, "production", **{field: value})


async def test_a_label_that_is_not_there_cannot_be_guarded(shop: CacheFabric) -> None:
    with pytest.raises(NotFound, match="known: production"):
        await shop.guard_label(KEY, "prod")
    with pytest.raises(NotFound, match="no context"):
        await shop.guard_label("nothing", "production")
