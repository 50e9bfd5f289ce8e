"""The blocking view of the methods on contexts; `ContextMethods` documents them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cache_fabric.bundle import Bundle
from cache_fabric.context_rules import Change
from cache_fabric.live_contexts import Listener
from cache_fabric.records import ContextChange, ContextDiff, ContextEntry, ContextSnapshot, Resync
from cache_fabric.sync_view import SyncView
from cache_fabric.types import ContextScope

__all__ = ["SyncContextMethods"]


class SyncContextMethods(SyncView):
    """Contexts, blocking."""

    def set_context(
        self,
        key: str,
        value: Any,
        scope: ContextScope = ContextScope.GLOBAL,
        metadata: Mapping[str, Any] | None = None,
        *,
        tenant: str | None = None,
        user: str | None = None,
        execution_id: str | None = None,
        if_version: int | None = None,
        change: Change = "behaviour",
        ttl: float | None = None,
        author: str | None = None,
        message: str | None = None,
    ) -> ContextEntry:
        return self._call(
            lambda: self._fabric.set_context(
                key,
                value,
                scope,
                metadata,
                tenant=tenant,
                user=user,
                execution_id=execution_id,
                if_version=if_version,
                change=change,
                ttl=ttl,
                author=author,
                message=message,
            )
        )

    def get_context(
        self,
        key: str,
        default: Any = None,
        *,
        scope: ContextScope | None = None,
        tenant: str | None = None,
        user: str | None = None,
        execution_id: str | None = None,
        version: int | None = None,
        label: str | None = None,
        max_staleness: float | None = None,
    ) -> ContextEntry | Any:
        return self._call(
            lambda: self._fabric.get_context(
                key,
                default,
                scope=scope,
                tenant=tenant,
                user=user,
                execution_id=execution_id,
                version=version,
                label=label,
                max_staleness=max_staleness,
            )
        )

    def known_context(
        self, key: str, *, tenant: str | None = None, user: str | None = None
    ) -> ContextEntry | None:
        return self._call(lambda: self._fabric.known_context(key, tenant=tenant, user=user))

    def known_contexts(
        self, keys: Iterable[str], *, tenant: str | None = None, user: str | None = None
    ) -> list[ContextEntry | None]:
        return self._call(lambda: self._fabric.known_contexts(keys, tenant=tenant, user=user))

    def update_context(
        self, key: str, value: Any, merge: bool = False, *, if_version: int | None = None
    ) -> ContextEntry | None:
        return self._call(
            lambda: self._fabric.update_context(key, value, merge, if_version=if_version)
        )

    def context_history(
        self, key: str, *, scope: ContextScope = ContextScope.GLOBAL, tenant: str | None = None
    ) -> list[ContextEntry]:
        return self._call(lambda: self._fabric.context_history(key, scope=scope, tenant=tenant))

    def context_diff(
        self,
        key: str,
        a: int,
        b: int,
        *,
        scope: ContextScope = ContextScope.GLOBAL,
        tenant: str | None = None,
    ) -> ContextDiff:
        return self._call(lambda: self._fabric.context_diff(key, a, b, scope=scope, tenant=tenant))

    def rollback_context(
        self,
        key: str,
        version: int,
        *,
        scope: ContextScope = ContextScope.GLOBAL,
        tenant: str | None = None,
        author: str | None = None,
        message: str | None = None,
    ) -> ContextEntry:
        return self._call(
            lambda: self._fabric.rollback_context(
                key, version, scope=scope, tenant=tenant, author=author, message=message
            )
        )

    def label_context(
        self,
        key: str,
        label: str,
        version: int,
        *,
        if_version: int | None = None,
        force: bool = False,
        scope: ContextScope = ContextScope.GLOBAL,
        tenant: str | None = None,
    ) -> ContextEntry:
        return self._call(
            lambda: self._fabric.label_context(
                key, label, version, if_version=if_version, force=force, scope=scope, tenant=tenant
            )
        )

    def list_contexts(
        self,
        prefix: str = "",
        *,
        tenant: str | None = None,
        user: str | None = None,
        execution_id: str | None = None,
    ) -> list[ContextEntry]:
        return self._call(
            lambda: self._fabric.list_contexts(
                prefix, tenant=tenant, user=user, execution_id=execution_id
            )
        )

    def snapshot_contexts(
        self,
        prefix: str = "",
        *,
        tenant: str | None = None,
        user: str | None = None,
        execution_id: str | None = None,
    ) -> ContextSnapshot:
        return self._call(
            lambda: self._fabric.snapshot_contexts(
                prefix, tenant=tenant, user=user, execution_id=execution_id
            )
        )

    def delete_context(
        self,
        key: str,
        *,
        if_version: int | None = None,
        scope: ContextScope = ContextScope.GLOBAL,
        tenant: str | None = None,
    ) -> ContextEntry:
        return self._call(
            lambda: self._fabric.delete_context(
                key, if_version=if_version, scope=scope, tenant=tenant
            )
        )

    @contextlib.contextmanager
    def publish(self, *, message: str | None = None, author: str | None = None) -> Iterator[Bundle]:
        """Collect changes and make them visible at one revision when the block ends well."""
        bundle = Bundle(author, message)
        yield bundle
        if bundle.planned:
            contexts = self._fabric._life().contexts
            bundle.entries = self._call(lambda: contexts.write(bundle.planned))

    def watch(
        self,
        prefix: str = "",
        after: int | None = None,
        *,
        tenant: str | None = None,
        user: str | None = None,
    ) -> Iterator[ContextChange | Resync]:
        changes = self._fabric.watch(prefix, after, tenant=tenant, user=user)

        async def following() -> ContextChange | Resync:
            return await anext(changes)

        while True:
            yield self._call(following)

    def on(self, event: str, listener: Listener) -> None:
        self._fabric.on(event, listener)
