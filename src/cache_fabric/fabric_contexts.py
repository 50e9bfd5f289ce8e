"""The facade's methods on contexts."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from typing import Any, TypeVar

from cache_fabric.bundle import Bundle, deletion, labelling, setting
from cache_fabric.context_rules import Change, Update
from cache_fabric.errors import BackendError, NotFound, ValidationError
from cache_fabric.life import Life
from cache_fabric.records import ContextDiff, ContextEntry
from cache_fabric.scopes import Owner, check_scope
from cache_fabric.types import ContextScope
from cache_fabric.validation import check_json, check_key

__all__ = ["ContextMethods"]

T = TypeVar("T")
_GLOBAL = Owner().prefix(ContextScope.GLOBAL)


class ContextMethods:
    """Versioned, scoped, labelled contexts, read from a live view."""

    def _life(self) -> Life:
        raise AssertionError("the facade provides it")

    async def _run(self, call: Callable[[Life], Coroutine[Any, Any, T]]) -> T:
        raise AssertionError("the facade provides it")

    async def set_context(
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
        """Write the next version of a context and return it.

        Args:
            key: 1 to 512 bytes of text.
            value: JSON data up to 1 MiB.
            scope: Who may see it; TENANT, USER and EXECUTION need their id.
            metadata: JSON data about this version.
            tenant, user, execution_id: Ids of the scope.
            if_version: Write only over this version; 0 for a key that must not exist.
            change: ``cosmetic`` keeps the answers given under the last version; ``behaviour`` and
                ``breaking`` start a new behaviour, under which old answers are not found.
            ttl: Seconds until the context is gone.
            author, message: Kept with the version.

        Raises:
            ValidationError: A bad argument, named; nothing is written.
            VersionConflict: ``if_version`` is not the current version.
            BackendError: The store failed.
        """
        owner = Owner(tenant, user, execution_id)
        about = (author, message)
        planned = setting(key, value, scope, metadata, owner, if_version, change, ttl, about)
        return (await self._run(lambda life: life.contexts.write([planned])))[0]

    async def get_context(
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
        """Return a context, or the default; without a scope from the narrowest that has it.

        Served from the live view in this process. ``entry.age`` and ``entry.stale`` say how sure
        that is; ``max_staleness`` (seconds) asks the store when it is not sure enough.

        Raises:
            NotFound: The key exists, but not this version or label.
            BackendUnavailable: Nothing is known yet, or nothing fresh enough, and the store cannot
                be reached. Only without a default.
        """
        live = self._life().contexts.live
        narrowed = scope or tenant or user or execution_id or version or label
        if live.view is not None and max_staleness is None and not narrowed:
            entry = live.view.entries.get(f"{_GLOBAL}{key}")
            if entry is not None:
                return entry
        level = None if scope is None else check_scope(scope)
        owner = Owner(tenant, user, execution_id)
        check_key(key)
        if version is not None and (isinstance(version, bool) or version < 1):
            raise ValidationError("version", f"expected a whole number from 1, got {version!r}")
        try:
            found = await self._run(
                lambda life: life.contexts.get(
                    key, level, owner, version=version, label=label, max_staleness=max_staleness
                )
            )
        except BackendError:
            if default is None:
                raise
            return default
        return default if found is None else found

    async def known_context(
        self, key: str, *, tenant: str | None = None, user: str | None = None
    ) -> ContextEntry | None:
        """Return what this process knows of a context; see `known_contexts`."""
        return (await self.known_contexts([key], tenant=tenant, user=user))[0]

    async def known_contexts(
        self, keys: Iterable[str], *, tenant: str | None = None, user: str | None = None
    ) -> list[ContextEntry | None]:
        """Return what this process knows of contexts, each from the narrowest scope that has it.

        For a host on the way to a model. All are as they were at one revision, so that no bundle is
        seen in part. Only a first read may wait for the store, for ``exact_timeout`` at the most;
        while the store is away, what was known last is returned, and ``None`` where nothing was.
        """
        live = self._life().contexts.live
        if live.view is None:
            await self._run(lambda life: life.know_contexts())
        view, owner = live.view, Owner(tenant, user)
        return [None if view is None else view.entry(check_key(key), owner) for key in keys]

    async def update_context(
        self, key: str, value: Any, merge: bool = False, *, if_version: int | None = None
    ) -> ContextEntry | None:
        """Write the next version of a global context that exists, else return ``None``.

        With ``merge`` a mapping keeps what the new one does not name, in one atomic step.
        """
        path = Owner().path(ContextScope.GLOBAL, key)
        step = Update(key=key, value=check_json(value), merge=merge, if_version=if_version)
        try:
            return (await self._run(lambda life: life.contexts.write([(path, step)])))[0]
        except NotFound:
            return None

    async def context_history(
        self, key: str, *, scope: ContextScope = ContextScope.GLOBAL, tenant: str | None = None
    ) -> list[ContextEntry]:
        """Return every version, oldest first; empty for an unknown key."""
        path = Owner(tenant).path(check_scope(scope), key)
        return await self._run(lambda life: life.contexts.history(path))

    async def context_diff(
        self,
        key: str,
        a: int,
        b: int,
        *,
        scope: ContextScope = ContextScope.GLOBAL,
        tenant: str | None = None,
    ) -> ContextDiff:
        """Return the unified diff from version ``a`` to ``b``; raises `NotFound`."""
        path = Owner(tenant).path(check_scope(scope), key)
        return await self._run(lambda life: life.contexts.diff(path, key, a, b))

    async def rollback_context(
        self,
        key: str,
        version: int,
        *,
        scope: ContextScope = ContextScope.GLOBAL,
        tenant: str | None = None,
        author: str | None = None,
        message: str | None = None,
    ) -> ContextEntry:
        """Make an earlier version current again; the answers given under it are found again."""
        path = Owner(tenant).path(check_scope(scope), key)
        return await self._run(
            lambda life: life.contexts.rollback(path, key, version, author, message)
        )

    async def label_context(
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
        """Point a label at a version and return the current entry.

        Moving ``production`` needs the version that it points at now (``if_version``) or ``force``.
        """
        planned = labelling(key, label, version, scope, Owner(tenant), if_version, force)
        return (await self._run(lambda life: life.contexts.write([planned])))[0]

    async def list_contexts(
        self,
        prefix: str = "",
        *,
        tenant: str | None = None,
        user: str | None = None,
        execution_id: str | None = None,
    ) -> list[ContextEntry]:
        """Return the current contexts that this owner sees, by key."""
        owner = Owner(tenant, user, execution_id)
        return await self._run(lambda life: life.contexts.visible(owner, prefix))

    async def delete_context(
        self,
        key: str,
        *,
        if_version: int | None = None,
        scope: ContextScope = ContextScope.GLOBAL,
        tenant: str | None = None,
    ) -> ContextEntry:
        """Leave a tombstone, which watchers see; history stays. Raises `NotFound`."""
        planned = deletion(key, scope, Owner(tenant), if_version)
        return (await self._run(lambda life: life.contexts.write([planned])))[0]

    @contextlib.asynccontextmanager
    async def publish(
        self, *, message: str | None = None, author: str | None = None
    ) -> AsyncIterator[Bundle]:
        """Collect changes and make them visible at one revision when the block ends well."""
        bundle = Bundle(author, message)
        yield bundle
        if bundle.planned:
            bundle.entries = await self._run(lambda life: life.contexts.write(bundle.planned))
