"""What a write does to a context: pure steps, each rule alone."""

from __future__ import annotations

from typing import Any

import pytest

from cache_fabric.bundle import Expect
from cache_fabric.context_rules import (
    Delete,
    Head,
    Label,
    Rollback,
    SetValue,
    Update,
    advance,
    digest,
)
from cache_fabric.contexts import Operation
from cache_fabric.errors import NotFound, ValidationError, VersionConflict


def written(head: Head | None, value: Any, **options: Any) -> Head:
    return SetValue(key="k", scope="global", value=value, **options).apply(head, now=1.0).head


def test_versions_start_at_one_and_grow() -> None:
    head = written(written(None, "a"), "b")
    assert (head.body.version, head.body.value) == (2, "b")


def test_a_cosmetic_change_keeps_the_behaviour_and_others_make_a_new_one() -> None:
    first = written(None, "a")
    assert written(first, "a ", change="cosmetic").body.behaviour == 1
    assert written(first, "b", change="behaviour").body.behaviour == 2
    assert written(first, "c", change="breaking").body.behaviour == 2


def test_a_rollback_restores_body_and_behaviour_under_a_new_version() -> None:
    first = written(None, "a")
    third = written(written(first, "b"), "c")
    back = Rollback(key="k", old=first.body).apply(third, now=2.0).head
    assert (back.body.version, back.body.value, back.body.behaviour) == (4, "a", 1)
    assert back.body.same_as == 1
    assert back.texts[digest("a")] == 1


def test_after_a_rollback_the_next_behaviour_is_one_that_never_was() -> None:
    first = written(None, "a")
    back = Rollback(key="k", old=first.body).apply(written(first, "b"), now=2.0).head
    assert written(back, "d").body.behaviour == 3


def test_compare_and_set_wants_the_current_version_or_zero_for_a_new_key() -> None:
    head = written(written(None, "a", if_version=0), "b", if_version=1)
    with pytest.raises(VersionConflict) as caught:
        written(head, "c", if_version=1)
    assert (caught.value.current, caught.value.expected) == (2, 1)
    with pytest.raises(VersionConflict):
        written(None, "a", if_version=1)


def test_a_deleted_key_is_new_again_and_its_numbers_go_on() -> None:
    gone = Delete(key="k").apply(written(None, "a"), now=2.0).head
    assert gone.body.deleted
    again = written(gone, "b", if_version=0)
    assert (again.body.version, again.body.behaviour) == (3, 2)
    with pytest.raises(NotFound):
        Delete(key="k").apply(gone, now=3.0)


def test_a_text_that_was_there_before_is_revived_only_where_that_is_asked_for() -> None:
    head = written(written(written(None, "a"), "b"), "c")
    revived = SetValue(key="k", scope="global", value="a", revive=True).apply(head, now=1.0).head
    assert (revived.body.version, revived.body.behaviour, revived.top_behaviour) == (4, 1, 3)
    assert written(revived, "d").body.behaviour == 4
    assert written(head, "a").body.behaviour == 4
    unknown = SetValue(key="k", scope="global", value="e", revive=True).apply(head, now=1.0).head
    assert unknown.body.behaviour == 4
    gone = Delete(key="k").apply(head, now=1.0).head
    assert (
        SetValue(key="k", scope="global", value="b", revive=True)
        .apply(gone, now=1.0)
        .head.body.behaviour
        == 2
    )


def test_an_expired_key_is_new_again_as_its_readers_see_it() -> None:
    head = SetValue(key="k", scope="global", value="a", ttl=5.0).apply(None, now=1.0).head
    with pytest.raises(VersionConflict):
        SetValue(key="k", scope="global", value="b", if_version=0).apply(head, now=5.9)
    again = SetValue(key="k", scope="global", value="b", if_version=0).apply(head, now=6.0)
    assert again.head.body.version == 2
    with pytest.raises(NotFound):
        Update(key="k", value="b", merge=False).apply(head, now=6.0)


def test_update_merges_mappings_only_and_needs_the_key() -> None:
    head = written(None, {"a": 1, "b": 1})
    merged = Update(key="k", value={"b": 2}, merge=True).apply(head, now=2.0).head
    assert merged.body.value == {"a": 1, "b": 2}
    with pytest.raises(ValidationError, match="mappings"):
        Update(key="k", value="text", merge=True).apply(head, now=2.0)
    with pytest.raises(NotFound):
        Update(key="k", value=1, merge=False).apply(None, now=2.0)


def label(head: Head, name: str, version: int | None, **options: Any) -> Head:
    return Label(key="k", label=name, version=version, **options).apply(head, now=1.0).head


def test_a_label_moves_freely_but_production_only_with_care() -> None:
    head = written(written(None, "a"), "b")
    head = label(label(head, "staging", 1), "staging", 2)
    head = label(head, "production", 1)
    with pytest.raises(ValidationError, match="if_version=1"):
        label(head, "production", 2)
    assert label(head, "production", 2, if_version=1).labels["production"] == 2
    assert label(head, "production", 2, force=True).labels["production"] == 2
    with pytest.raises(VersionConflict):
        label(head, "production", 2, if_version=2)


def test_a_new_label_is_one_that_points_at_version_0() -> None:
    head = written(None, "a")
    assert label(head, "staging", 1, if_version=0).labels == {"staging": 1}
    with pytest.raises(VersionConflict, match="current is 1"):
        label(label(head, "staging", 1), "staging", 1, if_version=0)


def test_a_label_without_a_version_points_at_the_current_one() -> None:
    head = written(written(None, "a"), "b")
    assert label(head, "staging", None).labels == {"staging": 2}
    with pytest.raises(NotFound):
        label(Delete(key="k").apply(head, now=1.0).head, "staging", None)


def test_an_expectation_changes_nothing_and_fails_for_another_version() -> None:
    head = written(written(None, "a"), "b")
    Expect(key="k", version=2).apply(head, now=1.0)
    gone = Delete(key="k").apply(head, now=1.0).head
    for other, version in ((head, 1), (None, 1), (gone, 2), (gone, 3)):
        with pytest.raises(VersionConflict):
            Expect(key="k", version=version).apply(other, now=1.0)


@pytest.mark.parametrize("version", [0, 3])
def test_a_label_needs_a_version_that_exists(version: int) -> None:
    with pytest.raises(NotFound):
        label(written(written(None, "a"), "b"), "x", version)


def test_a_reader_that_applies_the_log_gets_the_writers_heads() -> None:
    head: Head | None = None
    mirror: Head | None = None
    operations: list[Operation] = [
        SetValue(key="k", scope="global", value="a"),
        SetValue(key="k", scope="global", value="b", change="cosmetic"),
        Label(key="k", label="staging", version=1),
        Delete(key="k"),
    ]
    for operation in operations:
        step = operation.apply(head, now=1.0)
        assert step is not None
        version = step.head.labels[step.label] if step.label else step.head.body.version
        item = {"op": step.op, "label": step.label, "version": version}
        mirror = advance(mirror, item, step.body)
        head = step.head
        assert mirror == head
