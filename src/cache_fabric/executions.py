"""Executions and the feedback they got: one record a run, one a feedback."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from cache_fabric import codec
from cache_fabric.config import FabricConfig
from cache_fabric.errors import NotFound, ValidationError
from cache_fabric.part import Part
from cache_fabric.records import Execution, Feedback
from cache_fabric.scopes import SEPARATOR
from cache_fabric.stores.base import Store, Write
from cache_fabric.validation import check_id, check_json

__all__ = ["EXECUTIONS", "Executions", "draft"]

EXECUTIONS = "x/"
_FEEDBACK = "f/"
_PATIENCE = 10.0  # seconds for work that nobody waits for


class Executions:
    """Tracked runs over a store; the arguments are those of `Contexts`."""

    def __init__(self, store: Part, records: Store, config: FabricConfig) -> None:
        self._store = store
        self._records = records
        self._secret = config.secret

    async def track(
        self,
        execution_id: str,
        graph_name: str,
        state: Mapping[str, Any],
        tags: Iterable[str] | None,
    ) -> Execution:
        """Keep a run under its id; the same id again replaces it."""
        body = _checked(draft(execution_id, graph_name, state, tags))
        await self._put(EXECUTIONS + execution_id, body)
        return _execution(body, ())

    async def keep(self, drafts: Sequence[bytes]) -> list[str | None]:
        """Keep encoded drafts in one write; returns for each what is wrong with it, if anything.

        Raises `Degraded` where the store did not take them in its time.
        """
        writes: list[Write] = []
        faults: list[str | None] = []
        for data in drafts:
            await asyncio.sleep(0)  # lookups take turns with the checks of large runs
            try:
                body = _checked(msgspec.msgpack.decode(data))
            except ValidationError as error:
                faults.append(f"{error.field} cannot be kept")
            else:
                faults.append(None)
                key = EXECUTIONS + body["execution_id"]
                writes.append(Write(key, codec.pack(body, self._secret)))
        await self._store.attempt(lambda: self._records.set_many(writes), _PATIENCE)
        return faults

    async def get(self, execution_id: str) -> Execution | None:
        """Return a run with its feedback, or ``None``."""
        key = EXECUTIONS + check_id(execution_id, "execution_id")
        data = await self._store.demand(lambda: self._records.get(key))
        if data is None:
            return None
        prefix = _FEEDBACK + execution_id + SEPARATOR
        feedback = sorted(
            [_feedback(body) async for body in self._all(prefix)], key=lambda f: f.timestamp
        )
        return _execution(codec.unpack(data, self._secret), feedback)

    async def search(
        self, text: str | None, graph: str | None, status: str | None, limit: int
    ) -> list[Execution]:
        """Return the newest runs that match all that was asked, without their feedback."""
        if limit < 1:
            raise ValidationError("limit", f"expected a whole number above 0, got {limit}")
        found = [
            execution
            async for body in self._all(EXECUTIONS)
            if _matches(execution := _execution(body, ()), text, graph, status)
        ]
        return sorted(found, key=lambda e: e.timestamp, reverse=True)[:limit]

    async def record_feedback(self, execution_id: str, feedback: Mapping[str, Any]) -> Feedback:
        """Keep a feedback; raises `NotFound` if nothing is known of the run."""
        key = EXECUTIONS + check_id(execution_id, "execution_id")
        data = check_json(_mapping(feedback, "feedback"), "feedback")
        if await self._store.demand(lambda: self._records.get(key)) is None:
            raise NotFound(f"no execution {execution_id!r}: track_execution it first")
        body = {"execution_id": execution_id, "data": data, "at": time.time()}
        name = f"{_FEEDBACK}{execution_id}{SEPARATOR}{time.time_ns():020d}{secrets.token_hex(4)}"
        await self._put(name, body)
        return _feedback(body)

    async def _put(self, key: str, body: dict[str, Any]) -> None:
        write = Write(key, codec.pack(body, self._secret))
        await self._store.demand(lambda: self._records.set_many([write]))

    async def _all(self, prefix: str) -> Any:
        await self._store.open()
        async for _, data in self._records.scan(prefix):
            yield codec.unpack(data, self._secret)


def draft(
    execution_id: str, graph_name: str, state: Mapping[str, Any], tags: Iterable[str] | None
) -> dict[str, Any]:
    """Return the body of a run's record as it was handed in, not looked at yet."""
    return {
        "execution_id": execution_id,
        "graph_name": graph_name,
        "state": state,
        "tags": list(tags or ()),
        "at": time.time(),
    }


def _checked(body: dict[str, Any]) -> dict[str, Any]:
    """Return the draft, or raise `ValidationError` for what cannot be kept of it."""
    return {
        **body,
        "execution_id": check_id(body["execution_id"], "execution_id"),
        "graph_name": check_id(body["graph_name"], "graph_name"),
        "state": check_json(_mapping(body["state"], "state"), "state"),
        "tags": [check_id(tag, "tags") for tag in body["tags"]],
    }


def _mapping(value: Any, field: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValidationError(field, f"expected a mapping, got {type(value).__name__}")
    return dict(value)


def _matches(execution: Execution, text: str | None, graph: str | None, status: str | None) -> bool:
    return (
        (graph is None or execution.graph_name == graph)
        and (status is None or execution.status == status)
        and (text is None or text.casefold() in str(dict(execution.state)).casefold())
    )


def _execution(body: dict[str, Any], feedback: Iterable[Feedback]) -> Execution:
    return Execution(
        execution_id=body["execution_id"],
        graph_name=body["graph_name"],
        state=body["state"],
        timestamp=datetime.fromtimestamp(body["at"], UTC),
        tags=tuple(body["tags"]),
        feedback=tuple(feedback),
    )


def _feedback(body: dict[str, Any]) -> Feedback:
    return Feedback(
        execution_id=body["execution_id"],
        data=body["data"],
        timestamp=datetime.fromtimestamp(body["at"], UTC),
    )
