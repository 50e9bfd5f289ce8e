"""Cache Fabric as LangGraph's cache of node results."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langgraph.cache.base import BaseCache, FullKey, Namespace
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from cache_fabric.errors import ConfigurationError, NotCacheable
from cache_fabric.fabric import CacheFabric
from cache_fabric.langchain._node_writes import freshened, tied_to_its_run
from cache_fabric.langchain._seam import FailOpen, Seam

__all__ = ["FabricNodeCache"]

_KIND = "nodes"


class FabricNodeCache(BaseCache[Any]):
    """Node results from a fabric, for ``compile(cache=...)``; shared where its store is shared.

    A node needs a ``CachePolicy``; with ``key_func=message_key`` a messages state can hit. Results
    come back as private copies, their messages with fresh ids. Writes that mean nothing in another
    run (a message removed by its id, the answer to a tool call that another node made) are not
    kept; a node that replaces a message of its input by id must not have a policy.

    LangGraph names a node by its function and its name in the graph: not by its code, nor by the
    run's context. Clear what an older release of a node has left, and give each tenant a cache.

    No fault, of a backend or of this class, reaches the graph: it is a miss, is counted as a
    bypass and logged once for its kind. Only `clear` and `aclear` raise.

    Args:
        fabric: Used as it is and never closed.
        tenant: Whose results these are. Without one, a fabric that requires a tenant keeps nothing.
        serde: Of the values. By default LangGraph's serializer without pickle and with the types
            that it knows to be safe; results of other classes, if they do not come back as they
            were, are a miss. Name such classes in
            ``JsonPlusSerializer(allowed_msgpack_modules=[...])``.

    Raises:
        ConfigurationError: LangGraph is too old to have such a serializer.
    """

    def __init__(
        self,
        fabric: CacheFabric,
        *,
        tenant: str | None = None,
        serde: SerializerProtocol | None = None,
    ) -> None:
        super().__init__(serde=serde or _strict())
        self._fabric = fabric
        self._tenant = tenant
        self._seam = Seam(fabric)

    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, Any]:
        """Return what is kept of these keys; each call returns copies of its own."""
        values: dict[FullKey, Any] = {}
        with self._harmless():
            for namespace, names in self._asked(keys):
                found = self._fabric.sync.lookup_values(_KIND, self._whose(namespace), names)
                self._read(namespace, names, found, values)
        return values

    async def aget(self, keys: Sequence[FullKey]) -> dict[FullKey, Any]:
        """As `get`, without blocking the running loop."""
        values: dict[FullKey, Any] = {}
        with self._harmless():
            for namespace, names in self._asked(keys):
                found = await self._fabric.lookup_values(_KIND, self._whose(namespace), names)
                self._read(namespace, names, found, values)
        return values

    def set(self, pairs: Mapping[FullKey, tuple[Any, int | None]]) -> None:
        """Keep values for as many seconds as are named with them; written behind."""
        for (namespace, name), (value, ttl) in pairs.items():
            with self._harmless():
                if ttl is None or ttl > 0:
                    written = {name: self._written(value)}
                    self._fabric.store_values(_KIND, self._whose(namespace), written, ttl=ttl)

    async def aset(self, pairs: Mapping[FullKey, tuple[Any, int | None]]) -> None:
        """As `set`, which does not block."""
        self.set(pairs)

    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget these namespaces, or everything of this tenant; raises when the store cannot."""
        for whose in self._cleared(namespaces):
            self._fabric.sync.clear_values(_KIND, whose)

    async def aclear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """As `clear`, without blocking the running loop."""
        for whose in self._cleared(namespaces):
            await self._fabric.clear_values(_KIND, whose)

    def _asked(self, keys: Sequence[FullKey]) -> Iterator[tuple[Namespace, list[str]]]:
        """Yield each namespace with its keys, for as long as the budget of one read lasts."""
        by_namespace: dict[Namespace, list[str]] = {}
        for namespace, name in keys:
            by_namespace.setdefault(tuple(namespace), []).append(name)
        deadline = time.monotonic() + self._fabric.config.exact_timeout
        for namespace, names in by_namespace.items():
            yield namespace, names
            if time.monotonic() > deadline:
                return

    def _written(self, value: Any) -> list[Any]:
        reason = tied_to_its_run(value)
        if reason is not None:
            raise NotCacheable(reason)
        kind, data = self.serde.dumps_typed(value)
        if "pickle" in kind:
            raise NotCacheable("a value that only pickle can write")
        return [kind, data]

    def _read(
        self,
        namespace: Namespace,
        names: Sequence[str],
        found: Sequence[Any],
        values: dict[FullKey, Any],
    ) -> None:
        for name, written in zip(names, found, strict=True):
            if written is not None:
                with self._harmless():
                    values[namespace, name] = freshened(self._restored(*written))

    def _restored(self, kind: str, data: bytes) -> Any:
        if "pickle" in kind:
            raise NotCacheable("a value that only pickle can read")
        value = self.serde.loads_typed((kind, data))
        # A class that may not be revived, or that has changed, comes back as something else.
        if self.serde.dumps_typed(value) != (kind, data):
            raise NotCacheable("a value that does not come back as it was")
        return value

    def _whose(self, namespace: Namespace) -> tuple[Any, ...]:
        if self._fabric.config.require_tenant and not self._tenant:
            raise NotCacheable("no tenant")
        return (self._tenant, list(namespace))

    def _cleared(self, namespaces: Sequence[Namespace] | None) -> list[tuple[Any, ...]]:
        if namespaces is None:
            return [(self._tenant,)]
        return [(self._tenant, list(namespace)) for namespace in namespaces]

    def _harmless(self) -> FailOpen:
        return self._seam.harmless(lambda: _KIND)


def _strict() -> SerializerProtocol:
    try:
        return JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=None)
    except TypeError:
        raise ConfigurationError(
            "serde: expected langgraph-checkpoint 4.0.1 or newer, whose serializer revives known "
            "classes only, or a serializer of your own"
        ) from None
