"""What LiteLLM asks of its cache, asked of a fabric: a lookup before a call, a store after it.

Only the lookup has two colours: everything else a fabric does for a call, it does without waiting.
No method fails for a fault of ours.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from cache_fabric.errors import NotCacheable
from cache_fabric.litellm._chat_answer import read_chat, to_chat_answer, usage_of
from cache_fabric.litellm._open_calls import OpenCall, OpenCalls
from cache_fabric.litellm._tenants import call_id_of
from cache_fabric.litellm._terms import Asked, Terms, kind_of
from cache_fabric.litellm._whole_bodies import read_body, to_response_answer, to_text_answer
from cache_fabric.options import NO_OPTIONS
from cache_fabric.provenance import provenance
from cache_fabric.seam import FailOpen, Seam, Unread, mark_of
from cache_fabric.types import Answer, CacheEntry, CacheRequest, Hit, LookupResult, Miss, Ticket

__all__ = ["PROVENANCE", "Desk", "answer_of", "body_of", "plain_body", "told_in"]

PROVENANCE = "cache_fabric"
"""Where a call's own record, and the hidden parameters of an answer, say what the fabric did."""

_SIMILARITY = "semantic-similarity"  # LiteLLM's own name


class _Told(dict[str, Any]):
    """What the fabric did with a call: its own kind, for a call's record takes in arguments that
    LiteLLM does not know, and so whatever a client has put there under our name."""


class Desk:
    """Serves one installation.

    Args:
        terms: As `enable` was given them.
    """

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.calls = OpenCalls(self._give_up)
        self._fabric = terms.fabric
        self._seam = Seam(terms.fabric)

    def lookup(self, kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the body of a kept answer, or ``None``: then the model is called."""
        with self.harmless(kwargs):
            asked = self._asked(kwargs)
            if asked is not None:
                return self._served(asked, kwargs, self._fabric.sync.lookup(asked.request))
        return None

    async def alookup(self, kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
        """As `lookup`, without blocking the running loop."""
        with self.harmless(kwargs):
            if kwargs.get("prompt") is not None and kwargs.get("stream"):
                raise NotCacheable("a streamed text completion, which LiteLLM cannot replay")
            asked = self._asked(kwargs)
            if asked is not None:
                return self._served(asked, kwargs, await self._fabric.lookup(asked.request))
        return None

    def keep(self, result: Any, kwargs: Mapping[str, Any]) -> None:
        """Keep what the model said, if it is fit for that.

        LiteLLM may hand in the same answer twice, and that of a call within a call: what was not
        looked up here is not kept, but for a call that asked for no lookup.
        """
        call = None
        with self.harmless(kwargs, counts_bypass=False):
            call = self._ended(kwargs)
            if call is None:
                return
            body = plain_body(result)
            answer = answer_of(call.asked, body)
            if kwargs.get("stream") and call.asked.kind == "chat" and not call.says_its_end:
                answer = Answer(payload=None, error="a stream that ended without a finish reason")
            usage = usage_of(body) if call.says_its_usage else None
            self._fabric.sync.store(call.target, answer, usage=usage)
            return
        if call is not None:  # what cannot be read frees those who wait for it
            self._give_up(call)

    def ended(self, call_id: str, says_its_usage: bool) -> None:
        """Note that the model of a stream has said why it stopped."""
        call = self.calls.find(call_id)
        if call is not None:
            call.says_its_end, call.says_its_usage = True, says_its_usage

    def fail(self, call_id: Any) -> None:
        """Give up a call that failed."""
        call = self.calls.take(str(call_id))
        if call is not None:
            self._give_up(call)

    def close(self) -> None:
        """Give up every open call: nobody will tell of their ends."""
        for call_id in self.calls.ids():
            self.fail(call_id)

    def _asked(self, kwargs: Mapping[str, Any]) -> Asked | None:
        """Return what to look up; nothing for one half of a call that LiteLLM makes of two.

        A call with fallbacks makes one call for each model. A text completion asks through a chat
        completion, and in the blocking colour only that can be served as a stream.
        """
        kind, streams = kind_of(kwargs), bool(kwargs.get("stream"))
        if kwargs.get("fallbacks") or (kind == "text" and streams):
            return None
        if kwargs.get("text_completion") and not streams:
            return None
        around = self.calls.find(call_id_of(kwargs))
        if around is not None and around.asked.kind != kind:
            return None
        return self.terms.read(kwargs)

    def _ended(self, kwargs: Mapping[str, Any]) -> OpenCall | None:
        call_id = call_id_of(kwargs)
        found = self.calls.find(call_id)
        if found is not None:
            return self._taken(call_id, kwargs) if found.asked.kind == kind_of(kwargs) else None
        controls = kwargs.get("cache")
        if not isinstance(controls, Mapping) or controls.get("no-cache") is not True:
            return None
        if kwargs.get("caching") is False:
            return None
        asked = self.terms.read(kwargs)
        return OpenCall(asked, asked.request)

    def _taken(self, call_id: str, kwargs: Mapping[str, Any]) -> OpenCall | None:
        """End an open call, if what its answer's arguments ask is what was looked up.

        Two calls may have one id: LiteLLM gives the same to each model of a batch.
        """
        call = self.calls.take(call_id)
        if call is not None and not _is_same(call.asked.request, self.terms.read(kwargs).request):
            self._give_up(call)
            return None
        return call

    def _served(
        self, asked: Asked, kwargs: Mapping[str, Any], result: LookupResult
    ) -> dict[str, Any] | None:
        if not isinstance(result, Hit):
            _record(kwargs, provenance(result))
            if isinstance(result, Miss):
                self._open(OpenCall(asked, result.ticket), kwargs)
            return None
        try:
            with self._seam.reading(result):
                body = body_of(asked, result.entry)
        except Unread:
            # What the model says now takes its place.
            self._open(OpenCall(asked, asked.request), kwargs)
            raise
        _record(kwargs, {**provenance(result), **mark_of(result)})
        metadata = kwargs.get("metadata")
        if result.tier == "semantic" and isinstance(metadata, dict):
            metadata[_SIMILARITY] = result.similarity
        return body

    def _open(self, call: OpenCall, kwargs: Mapping[str, Any]) -> None:
        if not call.asked.controls.keeps:
            self._give_up(call, failed=False)
            return
        owner = kwargs.get("litellm_logging_obj")
        self.calls.begin(call_id_of(kwargs), call, owner)

    def _give_up(self, call: OpenCall, *, failed: bool = True) -> None:
        if isinstance(call.target, Ticket):
            with self._seam.harmless(lambda: call.asked.request.model, counts_bypass=False):
                self._fabric.sync.release(call.target, failed=failed)

    def harmless(self, kwargs: Mapping[str, Any], *, counts_bypass: bool = True) -> FailOpen:
        """Return the context out of which no fault of ours comes."""
        return self._seam.harmless(lambda: str(kwargs.get("model")), counts_bypass=counts_bypass)


def answer_of(asked: Asked, body: Mapping[str, Any]) -> Answer:
    """Return a response's body as what is kept of it."""
    if asked.kind == "chat":
        return to_chat_answer(body, asked.provider, parses=asked.parses)
    return to_text_answer(body) if asked.kind == "text" else to_response_answer(body)


def body_of(asked: Asked, entry: CacheEntry) -> dict[str, Any]:
    """Return the body of a response for a kept answer; raises `CodecError` where it has none."""
    if asked.kind == "chat":
        return read_chat(entry.payload, entry)
    return read_body(entry.payload, renew=asked.kind == "text")


def plain_body(result: Any) -> Mapping[str, Any]:
    """Return what LiteLLM hands to its cache, a response or its JSON, as plain data."""
    text = result if isinstance(result, str) else result.model_dump_json(exclude_unset=True)
    body = json.loads(text)
    return body if isinstance(body, dict) else {}


def _is_same(one: CacheRequest, other: CacheRequest) -> bool:
    return dataclasses.replace(one, options=NO_OPTIONS) == dataclasses.replace(
        other, options=NO_OPTIONS
    )


def _record(kwargs: Mapping[str, Any], said: dict[str, Any]) -> None:
    """Write what the fabric did into the call's own record, which its loggers are given."""
    details = getattr(kwargs.get("litellm_logging_obj"), "model_call_details", None)
    if isinstance(details, dict):
        details[PROVENANCE] = _Told(said)


def told_in(details: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the fabric wrote into a call's own record, ``None`` if it did not."""
    said = details.get(PROVENANCE)
    return said if isinstance(said, _Told) else None
