"""An execution as it is handed in by its caller, and looked at when it is written. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from cache_fabric.errors import ValidationError
from cache_fabric.execution_form import Body, Event
from cache_fabric.provenance import provenance
from cache_fabric.types import LookupResult
from cache_fabric.validation import check_id, check_json

__all__ = ["checked", "checked_names", "cut_step", "draft", "with_answers"]

_MOST_STEP = 64 * 1024
_SMALL = 1024  # bytes of what is kept of a step that is cut
_MOST_SMALL = 32


def draft(
    execution_id: str,
    graph_name: str,
    state: Mapping[str, Any],
    tags: Iterable[str] | None = None,
    tenant: str | None = None,
    user: str | None = None,
) -> dict[str, Any]:
    """Return the fields of a run as it was handed in, not looked at yet."""
    return {
        "execution_id": execution_id,
        "graph_name": graph_name,
        "state": state,
        "tags": tags if isinstance(tags, str) else list(tags or ()),
        "tenant": tenant,
        "user": user,
        "at": time.time(),
    }


def with_answers(
    state: Mapping[str, Any], answers: Iterable[LookupResult | str | None]
) -> Mapping[str, Any]:
    """Return the state with what it says of the answers that the run was given.

    Raises:
        ValidationError: One is neither what `lookup` returned nor an id that `store` returned.
    """
    if isinstance(answers, str | LookupResult):
        raise ValidationError("answers", "expected a list of them, got one")
    told = [_told(one) for one in answers if one is not None]
    if not told:
        return state
    said = state.get("cache")
    before = said if isinstance(said, list | tuple) else [] if said is None else [said]
    return {**state, "cache": [*before, *told]}


def _told(answer: Any) -> dict[str, Any]:
    if isinstance(answer, str):
        exact = answer.partition(".")[0]
        return {"outcome": "miss", "entry_id": answer, "exact": exact}
    if isinstance(answer, LookupResult):
        return provenance(answer)
    raise ValidationError(
        "answers", f"expected results of lookup and ids of store, got {type(answer).__name__}"
    )


def checked_names(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a draft whose names are right; raises `ValidationError` for the first that is not."""
    for name in ("execution_id", "graph_name"):
        check_id(fields[name], name)
    for name in ("tenant", "user"):
        if fields[name] is not None:
            check_id(fields[name], name)
    _tags(fields["tags"])
    return {**fields, "state": _mapping(fields["state"], "state")}


def checked(fields: Mapping[str, Any]) -> Body | Event:
    """Return what a draft holds, or raise `ValidationError` for what cannot be kept of it."""
    whose: dict[str, Any] = {
        name: None if fields[name] is None else check_id(fields[name], name)
        for name in ("tenant", "user")
    }
    execution_id = check_id(fields["execution_id"], "execution_id")
    if "step" in fields:
        step = check_json(_mapping(fields["step"], "step"), "step")
        return Event(
            execution_id=execution_id,
            step=step if (size := _size(step)) <= _MOST_STEP else cut_step(step, size, _MOST_STEP),
            **{name: fields[name] for name in ("run", "place", "at")},
            **whose,
        )
    return Body(
        execution_id=execution_id,
        graph_name=check_id(fields["graph_name"], "graph_name"),
        state=check_json(_mapping(fields["state"], "state"), "state"),
        tags=_tags(fields["tags"]),
        at=fields["at"],
        run=fields.get("run"),
        events=fields.get("events"),
        **whose,
    )


def _tags(given: str | list[str]) -> list[str]:
    if isinstance(given, str):  # or each of its letters would be a tag
        raise ValidationError("tags", f"expected a list of texts, got the text {given!r:.40}")
    return [check_id(tag, "tags") for tag in given]


def cut_step(step: Mapping[str, Any], size: int, most: int) -> dict[str, Any]:
    """Return a step that is too large without its bodies, and with the reason."""
    small = [
        (name, value)
        for name, value in step.items()
        if name not in ("input", "output") and _size(value) <= _SMALL
    ]
    return {**dict(small[:_MOST_SMALL]), "cut": f"{size} bytes, at most {most} are kept"}


def _size(value: Any) -> int:
    return len(msgspec.msgpack.encode(value))


def _mapping(value: Any, field: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValidationError(field, f"expected a mapping, got {type(value).__name__}")
    return dict(value)
