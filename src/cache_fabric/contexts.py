"""Contexts: prompts and tool definitions by key, in numbered versions, each inside its scope.

A context is two kinds of record: a head with the current version, replaced by compare-and-set, and
one immutable record a version. The id of the scope (tenant, user, execution) is part of the record
key, so one tenant's key can never name another's context.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cache_fabric import codec
from cache_fabric.config import FabricConfig
from cache_fabric.errors import ValidationError, VersionConflict
from cache_fabric.part import Part
from cache_fabric.records import ContextEntry
from cache_fabric.stores.base import CommitConflict, Record, Store, Write
from cache_fabric.types import ContextScope
from cache_fabric.validation import check_id, check_json, check_key

__all__ = ["Contexts", "Owner"]

_HEAD = "c/"
_VERSION = "v/"
_SEPARATOR = "\x1f"  # no key and no id may hold a control character, so joined parts stay apart


class Owner:
    """Whose context is meant: the ids that a scope can be narrowed to.

    Args:
        tenant: Tenant id.
        user: User id.
        execution_id: Execution id.
    """

    def __init__(
        self, tenant: str | None = None, user: str | None = None, execution_id: str | None = None
    ) -> None:
        self._ids = {
            ContextScope.TENANT: ("tenant", tenant),
            ContextScope.USER: ("user", user),
            ContextScope.EXECUTION: ("execution_id", execution_id),
        }

    def path(self, scope: ContextScope, key: str) -> str:
        """Return the record path of a key in a scope; raises if the scope's id is missing."""
        return self.prefix(scope) + check_key(key)

    def prefix(self, scope: ContextScope) -> str:
        """Return what all record paths of a scope start with."""
        field, value = self._ids.get(scope, ("", ""))
        owner = check_id(value, field) if field else ""
        return _SEPARATOR.join((scope.value, owner, ""))

    def levels(self) -> list[ContextScope]:
        """Return the scopes that a lookup without one goes through, from narrow to wide."""
        order = (ContextScope.EXECUTION, ContextScope.USER, ContextScope.TENANT)
        named = [scope for scope in order if self._ids[scope][1] is not None]
        return [*named, ContextScope.GLOBAL]


class Contexts:
    """Contexts over the record half of a store.

    Args:
        store: The store behind its part.
        records: The same store, for the calls.
        config: Its secret authenticates what is kept.
    """

    def __init__(self, store: Part, records: Store, config: FabricConfig) -> None:
        self._store = store
        self._records = records
        self._secret = config.secret

    async def set(
        self,
        key: str,
        value: Any,
        scope: ContextScope,
        metadata: Mapping[str, Any] | None,
        owner: Owner,
        if_version: int | None = None,
    ) -> ContextEntry:
        """Write the next version; with ``if_version`` only over that one (0: only a new key)."""
        path = owner.path(_scope(scope), key)
        body = {
            "key": key,
            "value": check_json(value),
            "scope": ContextScope(scope).value,
            "metadata": check_json(dict(metadata or {}), "metadata"),
        }
        while True:
            head = await self._head(path)
            current = self._read(head)["version"] if head else 0
            if if_version is not None and if_version != current:
                raise VersionConflict(key, current, if_version)
            entry = body | {"version": current + 1, "behaviour": current + 1, "at": time.time()}
            revision = await self._commit(path, entry, head)
            if revision is not None:
                return _entry(entry, revision)

    async def get(self, key: str, scope: ContextScope | None, owner: Owner) -> ContextEntry | None:
        """Return the current version, from the narrowest scope that has one."""
        for level in owner.levels() if scope is None else [_scope(scope)]:
            head = await self._head(owner.path(level, key))
            if head is not None:
                return _entry(self._read(head), head.revision)
        return None

    async def visible(self, owner: Owner) -> list[ContextEntry]:
        """Return the current version of every context in the scopes of this owner."""
        prefixes = [owner.prefix(level) for level in owner.levels()]
        found = [
            record
            for prefix in prefixes
            for record in await self._store.demand(
                lambda prefix=prefix: self._records.records(_HEAD + prefix)  # type: ignore[misc]
            )
        ]
        return [_entry(self._read(record), record.revision) for record in found]

    async def update(
        self, key: str, value: Any, merge: bool, if_version: int | None
    ) -> ContextEntry | None:
        """Write the next version of a global key that exists; ``merge`` keeps a mapping's rest."""
        while True:
            current = await self.get(key, ContextScope.GLOBAL, Owner())
            if current is None:
                return None
            if merge and not (isinstance(value, Mapping) and isinstance(current.value, Mapping)):
                raise ValidationError("merge", "expected mappings, both the old value and the new")
            merged = {**current.value, **value} if merge else value
            expected = current.version if merge and if_version is None else if_version
            try:
                return await self.set(
                    key, merged, ContextScope.GLOBAL, current.metadata, Owner(), expected
                )
            except VersionConflict:
                if if_version is not None:
                    raise

    async def _head(self, path: str) -> Record | None:
        return (await self._store.demand(lambda: self._records.read([_HEAD + path])))[0]

    async def _commit(self, path: str, entry: dict[str, Any], head: Record | None) -> int | None:
        data = codec.pack(entry, self._secret)
        writes = [
            Write(_HEAD + path, data),
            Write(f"{_VERSION}{path}{_SEPARATOR}{entry['version']}", data),
        ]
        note = codec.pack({"op": "set", "path": path, "version": entry["version"]}, self._secret)
        expect = {_HEAD + path: head.revision if head else 0}
        try:
            return await self._store.demand(
                lambda: self._records.commit(writes, note=note, expect=expect)
            )
        except CommitConflict:
            return None

    def _read(self, record: Record) -> dict[str, Any]:
        body: dict[str, Any] = codec.unpack(record.value, self._secret)
        return body


def _scope(scope: Any) -> ContextScope:
    try:
        return ContextScope(scope)
    except ValueError:
        choices = ", ".join(ContextScope)
        raise ValidationError("scope", f"expected one of {choices}, got {scope!r:.40}") from None


def _entry(body: dict[str, Any], revision: int) -> ContextEntry:
    return ContextEntry(
        key=body["key"],
        value=body["value"],
        scope=ContextScope(body["scope"]),
        version=body["version"],
        behaviour=body["behaviour"],
        revision=revision,
        timestamp=datetime.fromtimestamp(body["at"], UTC),
        metadata=body["metadata"],
    )
