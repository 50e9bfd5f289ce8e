"""Answers go into a file and come back as they were, where they can be found again."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import (
    Answer,
    CacheFabric,
    CacheOptions,
    CacheRequest,
    FabricConfig,
    Hit,
    Miss,
    Threshold,
    Usage,
    create_cache_fabric,
)
from cache_fabric.errors import ValidationError
from cache_fabric.stores.base import Write
from cache_fabric.types import CacheEntry

Ask = Callable[..., CacheRequest]
RETURN, RETURN_TOO = "How do I return an item?", "How can I return an item?"
HOURS = "When does the shop open?"
PAYLOADS: list[Any] = [
    "By post.",
    {"generations": [{"text": "ünï \u2028 \x00", "n": 1.0, "whole": 2**63, "none": None}]},
    {"bytes": b"\x00\xff"},
    {1: "a key that is no text"},
    [float("inf"), -0.0, 1e-300],
    {"z": 1, "a": 2},
]


def made(**options: Any) -> CacheFabric:
    limits: dict[str, Any] = {"exact_timeout": 30, "semantic_timeout": 30, **options}
    return create_cache_fabric("memory", policy=Threshold(), config=FabricConfig(**limits))


async def keep(fabric: CacheFabric, request: CacheRequest, payload: Any = "x") -> CacheEntry:
    missed = await fabric.lookup(request)
    assert isinstance(missed, Miss)
    answer = Answer(payload=payload, text="x", finish_reasons=("stop",))
    usage = Usage(input_tokens=3, output_tokens=4, cache_read_tokens=1)
    entry_id = await fabric.store(missed.ticket, answer, usage=usage, latency=0.25)
    assert entry_id is not None
    entry = await fabric.get_entry(entry_id)
    assert entry is not None
    return entry


async def envelopes(fabric: CacheFabric) -> dict[str, bytes]:
    await fabric.flush()
    store = fabric._life().parts.store
    return {key: data async for key, data in store.scan("a/")}


async def exported(fabric: CacheFabric, **filters: Any) -> list[str]:
    file = io.StringIO()
    await fabric.export_answers(file, **filters)
    return file.getvalue().splitlines()


async def read_in(fabric: CacheFabric, lines: list[str]) -> int:
    return await fabric.import_answers(io.StringIO("".join(f"{line}\n" for line in lines)))


async def test_envelopes_come_back_byte_for_byte(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    async with made(ttl=3600.0) as one, made(ttl=60.0) as other:
        for number, payload in enumerate(PAYLOADS):
            options = CacheOptions(tags=(f"tag {number}",))
            await keep(one, ask(f"q {number}", tenant="acme", user="u", options=options), payload)
        assert await one.export_answers(file) == len(PAYLOADS)
        assert await other.import_answers(file) == len(PAYLOADS)
        assert await envelopes(one) == await envelopes(other)
        assert await other.import_answers(file) == len(PAYLOADS)  # once more changes nothing
        assert await envelopes(one) == await envelopes(other)


async def test_imported_answers_are_found_by_request_and_by_meaning(ask: Ask) -> None:
    async with made() as one, made() as other:
        await keep(one, ask(RETURN))
        await read_in(other, await exported(one))
        exact, near = await other.lookup(ask(RETURN)), await other.lookup(ask(RETURN_TOO))
        assert isinstance(exact, Hit)
        assert isinstance(near, Hit)
        assert (exact.tier, near.tier) == ("exact", "semantic")
        assert exact.entry.usage == Usage(input_tokens=3, output_tokens=4, cache_read_tokens=1)


async def test_only_what_is_asked_for_is_written(ask: Ask) -> None:
    async with made() as fabric:
        for tenant in ("acme", "globex"):
            await keep(fabric, ask(RETURN, tenant=tenant))
        lines = await exported(fabric, tenant="acme")
        assert [json.loads(line)["tenant"] for line in lines[1:]] == ["acme"]


async def test_a_newer_answer_is_not_overwritten_and_an_older_one_is(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with made() as one, made() as older, made() as newer:
        now = 1_800_000_000.0
        ids = {}
        for fabric, seconds in ((older, 0), (one, 10), (newer, 20)):
            monkeypatch.setattr("time.time", lambda seconds=seconds: now + seconds)
            ids[seconds] = (await keep(fabric, ask(RETURN))).id
        lines = await exported(one)
        assert await read_in(newer, lines) == 0
        assert await read_in(older, lines) == 1
        for fabric, seconds in ((newer, 20), (older, 10)):
            found = await fabric.lookup(ask(RETURN))
            assert isinstance(found, Hit)
            assert found.entry.id == ids[seconds]


async def test_times_are_absolute_and_what_is_expired_stays_out(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with made(ttl=100.0, ttl_jitter=0.0) as one, made() as late, made() as in_time:
        now = 1_800_000_000.0
        monkeypatch.setattr("time.time", lambda: now)
        entry = await keep(one, ask(RETURN))
        lines = await exported(one)
        monkeypatch.setattr("time.time", lambda: now + 99)
        assert await read_in(in_time, lines) == 1
        found = await in_time.lookup(ask(RETURN))
        assert isinstance(found, Hit)
        assert found.entry.expires == entry.expires == now + 100
        monkeypatch.setattr("time.time", lambda: now + 101)
        assert isinstance(await in_time.lookup(ask(RETURN)), Miss)
        assert await read_in(late, lines) == 0


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"namespace": "other"}, "namespace: expected 'other', the file has 'default'"),
        ({"secret": b"other"}, "secret: expected that of this fabric, the file has another"),
    ],
)
async def test_a_file_of_another_fabric_is_refused(
    ask: Ask, options: dict[str, Any], named: str
) -> None:
    async with made() as one, made(**options) as other:
        await keep(one, ask(RETURN))
        with pytest.raises(ValidationError, match=named):
            await read_in(other, await exported(one))
        assert not await envelopes(other)


async def test_a_file_of_another_embedder_is_refused(ask: Ask) -> None:
    def flat(_: str) -> list[float]:
        return [1.0, 0.0]

    async with made() as one, create_cache_fabric("memory", embedder=flat) as other:
        with pytest.raises(ValidationError, match=r"embedder: expected '.*flat"):
            await read_in(other, await exported(one))


async def test_the_secret_is_not_in_the_file(ask: Ask) -> None:
    async with made(secret=b"a secret of a deployment") as fabric:
        await keep(fabric, ask(RETURN))
        whole = "\n".join(await exported(fabric))
    assert "a secret" not in whole
    assert b"a secret".hex() not in whole


def changed(line: str, **fields: Any) -> str:
    return json.dumps({**json.loads(line), **fields})


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda _: "{", "line 3, object: expected a JSON object"),
        (lambda _: "[]", "line 3, object: expected a JSON object"),
        (lambda line: changed(line, created="now"), "line 3, created: Expected `float`"),
        (lambda line: changed(line, usage={"input_tokens": "x"}), "line 3, usage.input_tokens: "),
        (lambda line: changed(line, packed="?"), "line 3, packed: expected a payload"),
        (lambda line: changed(line, partition="zz"), "line 3, partition: expected a key"),
        (lambda line: changed(line, question="Is it free?"), "line 3, exact: expected the key of"),
        (lambda line: changed(line, id="x.y"), "line 3, id: expected the key of"),
    ],
)
async def test_a_bad_line_is_named_and_what_came_before_is_kept(
    ask: Ask, spoil: Callable[[str], str], named: str
) -> None:
    async with made() as one, made() as other:
        for question in (RETURN, HOURS, "Is it free?"):
            await keep(one, ask(question))
        header, first, second, third = await exported(one)
        with pytest.raises(ValidationError, match=named):
            await read_in(other, [header, first, spoil(second), third])
        assert len(await envelopes(other)) == 1


@pytest.mark.parametrize("lines", [[], ["{}"], ["nothing"]])
async def test_a_file_without_our_header_is_refused(lines: list[str]) -> None:
    async with made() as fabric:
        with pytest.raises(ValidationError, match=r"line 1, object|format: expected"):
            await read_in(fabric, lines)


async def test_progress_tells_how_many_are_done_of_how_many(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    async with made() as one, made() as other:
        for number in range(250):
            await keep(one, ask(f"question {number}"))
        told: list[tuple[int, int]] = []
        await one.export_answers(file, progress=lambda done, total: told.append((done, total)))
        assert told[-1] == (250, 250)
        assert [total for _, total in told] == [250] * len(told)
        told.clear()
        await other.import_answers(file, progress=lambda done, total: told.append((done, total)))
        assert told == [(100, 250), (200, 250), (250, 250)]


async def test_the_bounds_of_a_fabric_hold_for_what_is_read_in(ask: Ask) -> None:
    async with made() as one, made(max_entries=3) as other:
        for number in range(8):
            await keep(one, ask(f"question {number}"))
        await read_in(other, await exported(one))
        assert len(await envelopes(other)) == 3


async def test_what_is_quarantined_does_not_come_back(ask: Ask) -> None:
    async with made() as fabric:
        entry = await keep(fabric, ask(RETURN))
        lines = await exported(fabric)
        await fabric.retire_answer(entry.id)
        assert len(await exported(fabric)) == 1
        assert await read_in(fabric, lines) == 0
        assert isinstance(await fabric.lookup(ask(RETURN)), Miss)


async def test_what_a_crash_left_in_its_place_is_not_written_as_an_answer(ask: Ask) -> None:
    async with made() as fabric:
        entry = await keep(fabric, ask(RETURN))
        await fabric.flush()
        store, key = fabric._life().parts.store, f"a/{entry.exact}"
        data = await store.get(key)
        assert data is not None
        await fabric.retire_answer(entry.id)
        await store.set_many([Write(key, data)])
        assert len(await exported(fabric)) == 1
