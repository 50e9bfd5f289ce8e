"""Feedback is found, written out, and erased."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from cache_fabric import CacheFabric
from cache_fabric.errors import ValidationError
from cache_fabric.stores.documents import Document
from cache_fabric.subject import Subject


async def test_feedback_is_found_by_run_context_verdict_annotator_and_time(
    any_fabric: CacheFabric,
) -> None:
    prompts = [{"key": "router:a", "version": 2}]
    await any_fabric.track_execution("1", "g", {"contexts": prompts}, tenant="acme", user="ann")
    await any_fabric.track_execution("2", "g", {})
    judge = {"match": True, "annotator": "LLM", "annotator_id": "judge"}
    one = await any_fabric.record_feedback("1", {"user_rating": 1, "annotator_id": "bob"})
    two = await any_fabric.record_feedback("1", judge)
    three = await any_fabric.record_feedback("2", {"comment": "quick"})

    async def found(*args: Any, **sought: Any) -> list[str]:
        return [f.id for f in await any_fabric.list_feedback(*args, **sought)]

    assert await found() == [three.id, two.id, one.id]
    assert await found("1") == [two.id, one.id]
    assert await found(context="router:a") == await found(context="router:a@2")
    assert await found(context="router:a@2") == [two.id, one.id]
    assert await found(context="router:a@1") == []
    assert await found(verdict="good") == await found(annotator="LLM") == [two.id]
    assert await found(verdict="none") == [three.id]
    assert await found(annotator="bob", tenant="acme", user="ann") == [one.id]
    assert await found(tenant="other") == []
    assert await found(since=three.timestamp) == [three.id]
    assert await found(until=two.timestamp.timestamp()) == [one.id]
    page = await any_fabric.list_feedback(limit=2)
    rest = await any_fabric.list_feedback(limit=2, cursor=page.cursor)
    assert [f.id for f in (*page, *rest)] == [three.id, two.id, one.id]
    assert rest.cursor is None


@pytest.mark.parametrize(
    ("sought", "field"),
    [
        ({"verdict": "poor"}, "verdict"),
        ({"limit": 0}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"annotator": 5}, "annotator"),
        ({"since": "yesterday"}, "since"),
    ],
)
async def test_what_cannot_be_sought_is_named(
    fabric: CacheFabric, sought: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as raised:
        await fabric.list_feedback(**sought)
    assert raised.value.field == field


async def test_export_writes_a_line_for_each(any_fabric: CacheFabric, tmp_path: Any) -> None:
    for number in range(3):
        await any_fabric.track_execution(str(number), "g", {})
        await any_fabric.record_feedback(str(number), {"user_rating": 1, "comment": "caf\u00e9\n"})
    told: list[tuple[int, int]] = []
    path = tmp_path / "said.jsonl"
    count = await any_fabric.export_feedback(path, progress=lambda *done: told.append(done))
    assert (count, told[-1]) == (3, (3, 3))
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [line["execution_id"] for line in lines] == ["2", "1", "0"]
    assert lines[0]["data"] == {"user_rating": 1, "comment": "caf\u00e9\n"}
    assert lines[0]["verdict"] == "bad"
    out = io.StringIO()
    assert await any_fabric.export_feedback(out, verdict="good") == 0
    assert out.getvalue() == ""


async def test_erase_takes_what_was_said_of_and_by_a_user(any_fabric: CacheFabric) -> None:
    await any_fabric.track_execution("1", "g", {}, tenant="acme", user="ann")
    await any_fabric.track_execution("2", "g", {}, tenant="acme", user="bob")
    await any_fabric.record_feedback("1", {"user_rating": 1, "annotator_id": "bob"})
    own = await any_fabric.record_feedback("2", {"user_rating": 4, "annotator_id": "bob"})
    await any_fabric.record_feedback("2", {"user_rating": 1, "annotator_id": "ann"})
    life = any_fabric._life()
    terms = frozenset({("user", "ann")})
    unreadable = Document(key="x", value=b"of another secret", at=1.0, terms=terms)
    await life.portal.run(lambda: life.parts.store.documents.put("f", [unreadable]))
    assert await life.portal.run(lambda: life.feedback.erase(Subject(user="ann"))) == 3
    assert await any_fabric.list_feedback() == [own]
    assert [e.execution_id for e in await any_fabric.search_executions(feedback="good")] == ["2"]
    assert await life.portal.run(lambda: life.feedback.erase(Subject(tenant="acme"))) == 1
