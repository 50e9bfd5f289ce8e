"""Hooks hear every event while they are on, and content only with leave."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import CacheFabric, CacheRequest, create_cache_fabric
from cache_fabric.errors import ValidationError
from cache_fabric.instrumentation.events import Event, LookupEvent, StoreEvent


def request(text: str) -> CacheRequest:
    return CacheRequest(model="m", messages=[{"role": "user", "content": text}])


async def test_a_hook_hears_what_happens_from_its_adding_to_its_removal(
    fabric: CacheFabric,
) -> None:
    heard: list[Event] = []
    fabric.add_hook(heard.append)
    await fabric.get_or_call(request("a?"), lambda: "yes")
    fabric.remove_hook(heard.append)
    await fabric.get_or_call(request("b?"), lambda: "yes")
    assert [type(event) for event in heard] == [LookupEvent, StoreEvent]


async def test_content_is_told_only_to_hooks_that_were_given_leave(fabric: CacheFabric) -> None:
    plain: list[Event] = []
    trusted: list[Mapping[str, Any]] = []
    fabric.add_hook(plain.append)
    fabric.add_hook(lambda event, content: trusted.append(content), content=True)
    await fabric.get_or_call(request("is SECRET-Q so?"), lambda: "SECRET-A")
    await fabric.get_or_call(request("is SECRET-Q so?"), lambda: "SECRET-A")
    asked = {"messages": [{"role": "user", "content": "is SECRET-Q so?"}]}
    answered = {**asked, "answer": "SECRET-A"}
    assert trusted == [asked, answered, answered]
    assert "SECRET" not in repr(plain)


async def test_content_is_not_put_together_while_nobody_has_leave(fabric: CacheFabric) -> None:
    fabric.add_hook(lambda event: None)

    def content() -> Mapping[str, Any]:
        raise AssertionError("nobody asked")

    fabric._hooks.tell(LookupEvent(outcome="miss", model="m", reason="", seconds=0.0), content)


async def test_a_hook_that_raises_disturbs_neither_the_call_nor_the_other_hooks(
    fabric: CacheFabric, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Event] = []

    def broken(event: Event, content: Any = None) -> None:
        raise RuntimeError("CANARY")

    fabric.add_hook(broken)
    fabric.add_hook(broken, content=True)
    fabric.add_hook(lambda event, _: heard.append(event), content=True)
    with caplog.at_level(logging.DEBUG, "cache_fabric"):
        assert await fabric.get_or_call(request("a?"), lambda: "yes") == "yes"
    assert len(heard) == 2
    assert "an event hook failed" in caplog.text


def test_what_is_no_function_is_refused(fabric: CacheFabric) -> None:
    with pytest.raises(ValidationError, match="hook: expected a function, got str"):
        fabric.add_hook("print")


async def test_a_judged_log_does_not_keep_later_hooks_from_hearing(tmp_path: Path) -> None:
    heard: list[Event] = []
    fabric = create_cache_fabric("memory", judged_log=tmp_path / "judged.jsonl")
    fabric.add_hook(heard.append)
    async with fabric:
        fabric._life()._emit(LookupEvent(outcome="miss", model="m", reason="", seconds=0.0))
    assert len(heard) == 1
