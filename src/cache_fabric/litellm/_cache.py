"""``litellm.Cache`` whose answers come from a fabric.

The seam is the public class and the methods that LiteLLM calls on ``litellm.cache``: they see the
arguments of a call in both colours. No entry goes through a backend of LiteLLM's, and none of its
keys is used: a key names its call and nothing else, so that it tells nothing where it is shown; but
for embeddings, which LiteLLM asks for by key alone.
"""

from __future__ import annotations

import uuid
from typing import Any

from litellm.caching.base_cache import BaseCache
from litellm.caching.caching import Cache
from litellm.types import caching as host_types

from cache_fabric.litellm._desk import Desk
from cache_fabric.litellm._embeddings import Vectors

__all__ = ["FabricCache"]

_CALL_TYPES: list[Any] = [
    *("completion", "acompletion", "text_completion", "atext_completion"),
    *("responses", "aresponses", "embedding", "aembedding"),
]


class FabricCache(Cache):
    """What `enable` puts in the place of ``litellm.cache``.

    Args:
        desk: Looks up and keeps.
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(supported_call_types=[*_CALL_TYPES])
        self.max_messages = None
        self.cache = _NoBackend()
        self.desk = desk
        self._vectors = Vectors(
            desk.terms, getattr(host_types, "EMBEDDING_CACHE_FORMAT_VERSION", 2)
        )

    def should_use_cache(self, **kwargs: Any) -> bool:
        return True

    def get_cache_key(self, **kwargs: Any) -> str:
        if self._vectors.are_asked(kwargs):
            return self._vectors.key(kwargs)
        return f"cache-fabric:{kwargs.get('litellm_call_id') or uuid.uuid4()}"

    def get_cache(self, dynamic_cache_object: Any = None, **kwargs: Any) -> Any:
        if self._vectors.are_asked(kwargs):
            return self._vectors.lookup(kwargs)
        return self.desk.lookup(kwargs)

    async def async_get_cache(self, dynamic_cache_object: Any = None, **kwargs: Any) -> Any:
        if "model" not in kwargs:  # one text of an embedding, by its key
            return await self._vectors.find(kwargs.get("cache_key"))
        return await self.desk.alookup(kwargs)

    def add_cache(self, result: Any, **kwargs: Any) -> None:
        if self._vectors.are_asked(kwargs):
            self._vectors.keep(result, kwargs)
        else:
            self.desk.keep(result, kwargs)

    async def async_add_cache(
        self, result: Any, dynamic_cache_object: Any = None, **kwargs: Any
    ) -> None:
        self.desk.keep(result, kwargs)

    async def async_add_cache_pipeline(
        self, result: Any, dynamic_cache_object: Any = None, **kwargs: Any
    ) -> None:
        self._vectors.keep(result, kwargs)

    async def ping(self) -> bool:
        return True

    async def delete_cache_keys(self, keys: Any) -> None:
        """Delete nothing: LiteLLM's keys only name calls; see ``fabric.invalidate``."""

    async def disconnect(self) -> None:
        """Leave the fabric to who made it."""


class _NoBackend(BaseCache):
    """Holds nothing: for who reads ``litellm.cache.cache``."""

    def get_cache(self, key: Any, **kwargs: Any) -> None:
        return None

    async def async_get_cache(self, key: Any, **kwargs: Any) -> None:
        return None

    def set_cache(self, key: Any, value: Any, **kwargs: Any) -> None:
        return None

    async def async_set_cache(self, key: Any, value: Any, **kwargs: Any) -> None:
        return None

    async def async_set_cache_pipeline(self, cache_list: Any, **kwargs: Any) -> None:
        return None

    async def disconnect(self) -> None:
        return None

    async def ping(self) -> bool:
        return True
