"""Embeddings of LiteLLM: each text is kept by itself, whatever it was asked together with.

In the awaiting colour LiteLLM asks for the texts of a call one by one, by key alone; what it asks
for in one turn of the loop is read from the store together.
"""

from __future__ import annotations

import asyncio
import hmac
import uuid
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cache_fabric import keys
from cache_fabric.errors import NotCacheable
from cache_fabric.litellm._terms import Asked, Terms, kind_of
from cache_fabric.seam import Seam

__all__ = ["Vectors"]

_KIND = "embeddings"
_WHOSE = "litellm"
_NO_KEY = "cache-fabric:no-key:"


@dataclass(slots=True, eq=False)
class _Batch:
    names: list[str] = field(default_factory=list)
    read: asyncio.Task[dict[str, Any]] | None = None


class Vectors:
    """Looks up and keeps the vectors of one installation; no method fails for a fault of ours.

    Args:
        terms: As `enable` was given them.
        form: Number of the format in which LiteLLM takes a vector out of a cache.
    """

    def __init__(self, terms: Terms, form: int) -> None:
        self._terms = terms
        self._fabric = terms.fabric
        self._form = form
        self._seam = Seam(terms.fabric)
        self._batches: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Batch]
        self._batches = weakref.WeakKeyDictionary()
        self._last: tuple[Any, Asked, bytes] | None = None

    def are_asked(self, kwargs: Mapping[str, Any]) -> bool:
        """Return whether a call is one of ``embedding``."""
        with self._seam.harmless(lambda: "", counts_bypass=False):
            return kind_of(kwargs) == "embedding"
        return False

    def key(self, kwargs: Mapping[str, Any]) -> str:
        """Return the key of the one text in ``kwargs["input"]``."""
        with self._seam.harmless(lambda: str(kwargs.get("model"))):
            _, space = self._read(kwargs)
            return self._key(space, kwargs["input"])
        return f"{_NO_KEY}{uuid.uuid4()}"

    async def find(self, key: Any) -> dict[str, Any] | None:
        """Return the vector under a key as LiteLLM takes it, or ``None``."""
        if not isinstance(key, str) or key.startswith(_NO_KEY):
            return None
        with self._seam.harmless(lambda: _KIND):
            found = (await self._together(key)).get(key)
            if found is not None:
                return {**found, "index": 0, "object": "embedding", "format_version": self._form}
        return None

    def lookup(self, kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the body of a response if every text of a call is kept, else ``None``."""
        with self._seam.harmless(lambda: str(kwargs.get("model"))):
            asked, space = self._read(kwargs)
            if asked.controls.options.refresh:
                return None
            names = [self._key(space, text) for text in _texts(kwargs)]
            found = self._fabric.sync.lookup_values(_KIND, _WHOSE, names)
            vectors = [value for value in found if value is not None]
            if vectors and len(vectors) == len(names):
                return _body(vectors)
        return None

    def keep(self, result: Any, kwargs: Mapping[str, Any]) -> None:
        """Keep the vectors of a response, one for each text of the call."""
        if kwargs.get("caching") is False:
            return
        with self._seam.harmless(lambda: str(kwargs.get("model")), counts_bypass=False):
            asked, space = self._read(kwargs)
            texts, data = _texts(kwargs), result.data or []
            if not asked.controls.keeps or len(texts) != len(data):
                return
            values = {
                self._key(space, text): {
                    "embedding": item["embedding"],
                    "model": result.model,
                    "prompt_tokens": _share(result.usage, index, len(data)),
                    "prompt_tokens_details": None,
                }
                for index, (text, item) in enumerate(zip(texts, data, strict=True))
            }
            ttl = asked.controls.options.ttl or self._fabric.config.ttl
            self._fabric.store_values(_KIND, _WHOSE, values, ttl=ttl)

    async def _together(self, key: str) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        batch = self._batches.get(loop)
        if batch is None:
            batch = self._batches[loop] = _Batch()
            batch.read = loop.create_task(self._fetch(loop, batch))
        batch.names.append(key)
        assert batch.read is not None
        return await asyncio.shield(batch.read)  # one caller that leaves takes nothing from others

    async def _fetch(self, loop: asyncio.AbstractEventLoop, batch: _Batch) -> dict[str, Any]:
        await asyncio.sleep(0)  # the other texts of the call are asked for in this turn
        del self._batches[loop]
        values = await self._fabric.lookup_values(_KIND, _WHOSE, batch.names)
        return {n: value for n, value in zip(batch.names, values, strict=True) if value is not None}

    def _read(self, kwargs: Mapping[str, Any]) -> tuple[Asked, bytes]:
        """Return what a call asks, and what all of its keys begin with; once for each call."""
        call, last = kwargs.get("litellm_logging_obj"), self._last
        if last is not None and call is not None and last[0]() is call:
            return last[1], last[2]
        asked = self._terms.read({**kwargs, "input": ""})
        request = asked.request
        if self._fabric.config.require_tenant and not request.tenant:
            raise NotCacheable("no tenant")
        whose = (request.model, request.params, request.tenant, request.user)
        space = keys.canonical(whose)
        if call is not None:
            self._last = (weakref.ref(call), asked, space)
        return asked, space

    def _key(self, space: bytes, text: Any) -> str:
        data = space + keys.canonical(text, self._fabric.config.max_request_bytes)
        return hmac.digest(self._fabric.config.secret, data, "sha256").hex()


def _texts(kwargs: Mapping[str, Any]) -> Sequence[Any]:
    given = kwargs["input"]
    return given if isinstance(given, list) else [given]


def _share(usage: Any, index: int, count: int) -> int | None:
    """Return a text's share of the tokens; the shares of a call add up."""
    tokens = getattr(usage, "prompt_tokens", None)
    if not isinstance(tokens, int):
        return None
    whole, rest = divmod(tokens, count)
    return whole + (index < rest)


def _body(vectors: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    counts = [vector["prompt_tokens"] or 0 for vector in vectors]
    data = [
        {"object": "embedding", "index": index, "embedding": vector["embedding"]}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": sum(counts), "total_tokens": sum(counts)}
    return {"object": "list", "model": vectors[0]["model"], "data": data, "usage": usage}
