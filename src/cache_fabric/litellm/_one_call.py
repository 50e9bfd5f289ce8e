"""One call made through a fabric: what is asked before it, told after it, and handed back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import litellm as host
from litellm.litellm_core_utils.llm_response_utils import convert_dict_to_response as host_forms

from cache_fabric.errors import NotCacheable
from cache_fabric.litellm._chat_answer import usage_of
from cache_fabric.litellm._desk import PROVENANCE, answer_of, body_of, plain_body
from cache_fabric.litellm._stream_ends import says_its_end, says_its_usage
from cache_fabric.litellm._streams import AsyncFabricStream, FabricStream
from cache_fabric.litellm._terms import Asked, Terms
from cache_fabric.provenance import provenance
from cache_fabric.seam import Seam
from cache_fabric.turn import Turn
from cache_fabric.types import (
    Answer,
    CacheEntry,
    CacheRequest,
    Hit,
    LookupResult,
    Usage,
)

__all__ = ["OneCall"]


class OneCall(Turn[dict[str, Any]]):
    """A `Turn` whose result is the body of a response, in LiteLLM's objects at its ends.

    Args:
        terms: Of the call.
        kwargs: Its arguments.
        awaits: Whether it is one of ``acompletion``.
    """

    def __init__(self, terms: Terms, kwargs: Mapping[str, Any], *, awaits: bool) -> None:
        seam = Seam(terms.fabric)
        super().__init__(terms.fabric, seam, make=self._request_of, read=self._body_of)
        self._terms = terms
        self._kwargs = kwargs
        self._awaits = awaits
        self._streams = bool(kwargs.get("stream"))
        self._asked_for: Asked | None = None
        self._said: dict[str, Any] = {"outcome": "bypass", "reason": "not cacheable"}

    @property
    def model(self) -> str:
        return str(self._kwargs.get("model"))

    def _request_of(self) -> CacheRequest:
        if self._kwargs.get("caching") is False:
            raise NotCacheable("caching=False")
        if self._kwargs.get("fallbacks"):
            raise NotCacheable("a call with fallbacks")
        if self._streams and (self._kwargs.get("n") or 1) > 1:
            raise NotCacheable("several answers in one stream")
        self._asked_for = self._terms.read(self._kwargs)
        return self._asked_for.request

    def _body_of(self, entry: CacheEntry, mark: dict[str, Any]) -> dict[str, Any]:
        assert self._asked_for is not None
        body = body_of(self._asked_for, entry)
        self._said = {**provenance(self.result), **mark} if self.result is not None else {**mark}
        return body

    def _served(self, result: LookupResult | None) -> dict[str, Any] | None:
        if result is not None and not isinstance(result, Hit):
            self._said = provenance(result)
        body = super()._served(result)
        if self._asked_for is not None and not self._asked_for.controls.keeps:
            self.leave()
        return body

    def answered(self, response: Any) -> Any:
        """Keep a response that is whole, watch one that streams; returns it, marked."""
        if self._streams:
            return self._watched(response, partial(self._stream_ended, response))
        self.keep(lambda: self._answer(lambda: plain_body(response)))
        return self._marked(response)

    def replayed(self, body: dict[str, Any]) -> Any:
        """Return a kept answer in LiteLLM's words."""
        if not self._streams:
            return self._marked(host.ModelResponse(**body))
        colour = "_async" if self._awaits else ""
        replay = getattr(host_forms, f"convert_to_streaming_response{colour}")
        return self._watched(replay(body), lambda _: None)

    def _watched(self, stream: Any, ended: Callable[[list[Any]], None]) -> Any:
        kind = AsyncFabricStream if self._awaits else FabricStream
        return kind(stream, ended, self.leave, self._hidden())

    def _stream_ended(self, stream: Any, chunks: list[Any]) -> None:
        messages = self._kwargs.get("messages")

        def answer() -> tuple[Answer, Usage | None]:
            said, usage = self._answer(lambda: _assembled(stream, chunks, messages))
            return said, usage if says_its_usage(stream) else None

        self.keep(answer)

    def _answer(self, body: Callable[[], Mapping[str, Any]]) -> tuple[Answer, Usage | None]:
        assert self._asked_for is not None
        try:
            said = body()
            return answer_of(self._asked_for, said), usage_of(said)
        except NotCacheable as error:
            return Answer(payload=None, error=error.reason), None

    def _hidden(self) -> dict[str, Any]:
        is_hit = self._said["outcome"] == "hit"
        told = {"cache_hit": True, "response_cost": 0.0} if is_hit else {}
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
