"""Cache Fabric as LangChain's cache."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from langchain_core.caches import BaseCache
from langchain_core.outputs import Generation
from langchain_core.runnables.config import ensure_config

from cache_fabric.fabric import CacheFabric
from cache_fabric.langchain._answer import read_generations, to_answer
from cache_fabric.langchain._endpoint import address_of_process
from cache_fabric.langchain._graph import named_graph
from cache_fabric.langchain._lookups import graph_asking, tell
from cache_fabric.langchain._outcome import usage_of
from cache_fabric.langchain._prompt import read_request
from cache_fabric.langchain._seam import FailOpen, Seam, asked_above, mark_of
from cache_fabric.langchain._settings import read_settings
from cache_fabric.langchain._task_tickets import TaskTickets
from cache_fabric.options import NO_OPTIONS, CacheOptions
from cache_fabric.types import CacheRequest, Hit, LookupResult, Miss

__all__ = ["FabricCache"]

_CHARACTERS_PER_BYTE = 8
"""Dumped JSON is longer than what it says (escapes, metadata); beyond this it must be too long."""


class FabricCache(BaseCache):
    """Answers from a fabric, for chat models and completion models.

    Give it to ``set_llm_cache`` or to a model's ``cache=``. Chat answers come back as private
    copies with fresh ids, marked in ``generation_info["cache_fabric"]`` and in
    ``response_metadata["cache_fabric"]``: ``tier``, ``similarity``, ``entry_id``, ``age`` in
    seconds, ``saved_cost`` in dollars (``None`` where no price is known), and ``stale`` for an
    answer past its time. Plain generations come back equal to what was stored.

    No fault, of a backend or of this class, reaches the model call: it becomes a miss, is counted
    as a bypass and logged once for its kind. LangChain streams never consult a cache, and its two
    strings do not name a tenant: give one here. They do not tell of a field that is changed after a
    model's first call either, nor of one that a copy of it has otherwise (``model_copy``), nor of a
    ``client=`` of one's own: make a new model, or use `cached`, which notices. Under a
    `FabricMiddleware` of the same fabric it does nothing.

    Args:
        fabric: Used as it is and never closed.
        tenant: Whose calls these are; answers are not shared between tenants.
        user: End user, when answers must not be shared between users either.
        options: Of every request; more than one cache may share a fabric, each with its own.
    """

    def __init__(
        self,
        fabric: CacheFabric,
        *,
        tenant: str | None = None,
        user: str | None = None,
        options: CacheOptions = NO_OPTIONS,
    ) -> None:
        self._fabric = fabric
        self._options = options
        self._tenant = tenant
        self._user = user
        self._seam = Seam(fabric)
        self._open = TaskTickets(lambda ticket: fabric.sync.release(ticket))

    def lookup(self, prompt: str, llm_string: str) -> list[Generation] | None:
        """Return a list of generations, or ``None``: then the model is called."""
        if asked_above(self._fabric):
            return None
        with self._harmless(llm_string):
            request = self._request(prompt, llm_string)
            return self._served(request, self._fabric.sync.lookup(request))
        return None

    async def alookup(self, prompt: str, llm_string: str) -> list[Generation] | None:
        """As `lookup`, without blocking the running loop."""
        if asked_above(self._fabric):
            return None
        with self._harmless(llm_string):
            request = self._request(prompt, llm_string)
            result = await self._fabric.lookup(request)
            if isinstance(result, Miss):
                self._open.add(result.ticket)
            return self._served(request, result)
        return None

    def update(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """Keep the answer, if it is complete; it can be looked up at once."""
        if asked_above(self._fabric):
            return
        with self._harmless(llm_string, counts_bypass=False):
            request = self._request(prompt, llm_string)
            answer = to_answer(return_val, request.kind)
            self._fabric.sync.store(request, answer, usage=usage_of(return_val))

    async def aupdate(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """As `update`, without blocking the running loop."""
        if asked_above(self._fabric):
            return
        with self._harmless(llm_string, counts_bypass=False):
            request = self._request(prompt, llm_string)
            answer = to_answer(return_val, request.kind)
            asked = self._open.find(request) or request
            await self._fabric.store(asked, answer, usage=usage_of(return_val))

    def clear(self, **kwargs: Any) -> None:
        """Forget every answer of the fabric's namespace; raises when the store cannot."""
        self._fabric.sync.clear()

    async def aclear(self, **kwargs: Any) -> None:
        """As `clear`, without blocking the running loop."""
        await self._fabric.clear()

    def _request(self, prompt: str, llm_string: str) -> CacheRequest:
        request = read_request(
            prompt,
            llm_string,
            tenant=self._tenant,
            user=self._user,
            max_characters=_CHARACTERS_PER_BYTE * self._fabric.config.max_request_bytes,
        )
        params = {**request.params, **address_of_process(request.params)}
        options = named_graph(self._options, ensure_config().get("metadata", {}), graph_asking())
        return dataclasses.replace(request, params=params, options=options)

    def _served(self, request: CacheRequest, result: LookupResult) -> list[Generation] | None:
        tell(result)
        if not isinstance(result, Hit):
            return None
        with self._seam.reading(result):
            return read_generations(result.entry.payload, request.kind, mark_of(result))

    def _harmless(self, llm_string: str, *, counts_bypass: bool = True) -> FailOpen:
        return self._seam.harmless(
            lambda: read_settings(llm_string).model, counts_bypass=counts_bypass
        )
