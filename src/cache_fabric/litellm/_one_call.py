"""One call made through a fabric: what is asked before it, told after it, and handed back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import litellm as host
from litellm.litellm_core_utils.llm_response_utils import convert_dict_to_response as host_forms

from cache_fabric.errors import CodecError, NotCacheable
from cache_fabric.litellm._chat_answer import usage_of
from cache_fabric.litellm._desk import PROVENANCE, answer_of, body_of, plain_body
from cache_fabric.litellm._stream_ends import says_its_end
from cache_fabric.litellm._streams import AsyncFabricStream, FabricStream
from cache_fabric.litellm._terms import Asked, Terms
from cache_fabric.seam import FailOpen, Seam, mark_of
from cache_fabric.types import Answer, CacheRequest, Hit, LookupResult, Miss, Ticket

__all__ = ["OneCall"]


class OneCall:
    """Looks up, then keeps or gives back; no method fails for a fault of ours.

    Args:
        terms: Of the call.
        kwargs: Its arguments.
        awaits: Whether it is one of ``acompletion``.

    Attributes:
        request: What to look up, ``None`` for what cannot be cached.
        body: The kept answer, once there is one.
    """

    def __init__(self, terms: Terms, kwargs: Mapping[str, Any], *, awaits: bool) -> None:
        self.body: dict[str, Any] | None = None
        self._awaits = awaits
        self._fabric = terms.fabric
        self._kwargs = kwargs
        self._asked: Asked | None = None
        self._open: Ticket | CacheRequest | None = None
        self._said: dict[str, Any] = {"outcome": "bypass", "reason": "not cacheable"}
        self._streams = bool(kwargs.get("stream"))
        self._seam = Seam(terms.fabric)
        with self.harmless():
            if kwargs.get("caching") is False:
                raise NotCacheable("caching=False")
            if kwargs.get("fallbacks"):
                raise NotCacheable("a call with fallbacks")
            if self._streams and (kwargs.get("n") or 1) > 1:
                raise NotCacheable("several answers in one stream")
            self._asked = terms.read(kwargs)

    @property
    def request(self) -> CacheRequest | None:
        return None if self._asked is None else self._asked.request

    def harmless(self, *, counts_bypass: bool = True) -> FailOpen:
        """Return the context out of which no fault of ours comes."""
        return self._seam.harmless(
            lambda: str(self._kwargs.get("model")), counts_bypass=counts_bypass
        )

    def learn(self, result: LookupResult | None) -> None:
        """Take what a lookup, or what stands in for a failed call, has come to."""
        assert self._asked is not None
        if isinstance(result, Hit):
            try:
                self.body = body_of(self._asked, result.entry)
            except CodecError:
                self._open = self._asked.request  # what the model says now takes its place
                raise
            self._said = {"outcome": "hit", **mark_of(result)}
        elif result is not None:
            outcome = "miss" if isinstance(result, Miss) else "bypass"
            self._said = {"outcome": outcome, "reason": result.reason}
            self._open = result.ticket if isinstance(result, Miss) else None
            if not self._asked.controls.keeps:
                self.leave()

    def fail(self, error: BaseException) -> bool:
        """Give the call up; returns whether ``body`` is now an expired answer that stands in."""
        target, self._open = self._open, None
        if isinstance(target, Ticket) and isinstance(error, Exception):
            with self.harmless(counts_bypass=False):
                self.learn(self._fabric.sync.stale(target))
        else:
            self._give_back(target)
        return self.body is not None

    def leave(self) -> None:
        """Give back what the call leads, if it leads; idempotent."""
        target, self._open = self._open, None
        self._give_back(target)

    def answered(self, response: Any) -> Any:
        """Keep a response that is whole, watch one that streams; returns it, marked."""
        if self._streams:
            return self._watched(response, partial(self._stream_ended, response))
        self._keep(lambda: plain_body(response))
        return self._marked(response)

    def served(self) -> Any:
        """Return the kept answer in LiteLLM's words."""
        if not self._streams:
            return self._marked(host.ModelResponse(**(self.body or {})))
        colour = "_async" if self._awaits else ""
        replay = getattr(host_forms, f"convert_to_streaming_response{colour}")
        return self._watched(replay(self.body), lambda _: None)

    def _watched(self, stream: Any, ended: Callable[[list[Any]], None]) -> Any:
        kind = AsyncFabricStream if self._awaits else FabricStream
        return kind(stream, ended, self.leave, self._hidden())

    def _stream_ended(self, stream: Any, chunks: list[Any]) -> None:
        self._keep(lambda: _assembled(stream, chunks, self._kwargs.get("messages")))

    def _keep(self, body: Callable[[], Mapping[str, Any]]) -> None:
        target, self._open = self._open, None
        if target is None or self._asked is None:
            return
        with self.harmless(counts_bypass=False):
            try:
                said = body()
                answer, usage = answer_of(self._asked, said), usage_of(said)
            except NotCacheable as error:
                answer, usage = Answer(payload=None, error=error.reason), None
            self._fabric.sync.store(target, answer, usage=usage)
            return
        self._give_back(target)

    def _give_back(self, target: Ticket | CacheRequest | None) -> None:
        if isinstance(target, Ticket):
            with self.harmless(counts_bypass=False):
                self._fabric.sync.release(target)

    def _hidden(self) -> dict[str, Any]:
        told = {"cache_hit": True, "response_cost": 0.0} if self.body is not None else {}
        return {**told, PROVENANCE: self._said}

    def _marked(self, response: Any) -> Any:
        hidden = getattr(response, "_hidden_params", None)
        if isinstance(hidden, dict):
            hidden.update(self._hidden())
        return response


def _assembled(stream: Any, chunks: list[Any], messages: Any) -> Mapping[str, Any]:
    """Return the body that a stream adds up to.

    Raises:
        NotCacheable: The model did not say why it ended: it may be cut.
    """
    if not says_its_end(stream):
        raise NotCacheable("a stream that ended without a finish reason")
    return plain_body(host.stream_chunk_builder(chunks, messages=messages))
