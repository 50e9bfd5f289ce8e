"""On what terms a wrapped model is answered from a fabric."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from cache_fabric.errors import ValidationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.langchain._call import read_call
from cache_fabric.langchain._graph import named_graph
from cache_fabric.langchain._lookups import graph_asking
from cache_fabric.langchain._run_names import TENANT, USER
from cache_fabric.langchain._template import unfilled
from cache_fabric.options import NO_OPTIONS, CacheOptions
from cache_fabric.seam import check_terms
from cache_fabric.types import CacheRequest
from cache_fabric.validation import check_id

__all__ = ["Name", "Replay", "Terms"]

Name = str | Callable[[], str | None] | None
"""A tenant or a user: a text, or a function that is asked at each call, in its context."""
Replay = Literal["instant", "natural"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What `cached` was given; equal terms share a class.

    Raises:
        ValidationError: A value is not usable; the message names the argument.
    """

    fabric: CacheFabric
    tenant: Name = None
    user: Name = None
    options: CacheOptions = field(default=NO_OPTIONS, hash=False)
    replay: Replay = "instant"

    def __post_init__(self) -> None:
        check_terms(self.fabric, self.tenant, self.user, self.options)
        if self.replay not in get_args(Replay):
            choices = " or ".join(get_args(Replay))
            raise ValidationError("replay", f"expected {choices}, got {self.replay!r:.40}")

    def over(self, former: Terms) -> Terms:
        """Return these terms, with the former ones for what was not given."""
        usual = Terms(self.fabric)
        mine = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        given = {n: value for n, value in mine.items() if value != getattr(usual, n)}
        return dataclasses.replace(former, **given)

    def request(
        self,
        model: BaseChatModel,
        messages: Sequence[BaseMessage],
        stop: list[str] | None,
        arguments: Mapping[str, Any],
        metadata: Mapping[str, Any],
    ) -> CacheRequest:
        """Return the request of a call; asks for tenant and user in the caller's context.

        Where the terms name none, the metadata of the run may.

        Raises:
            NotCacheable: It has no stable key.
            ValidationError: A tenant or a user that was named for this call is no name.
        """
        messages, variables = unfilled(messages)
        call = read_call(
            model,
            messages,
            stop,
            arguments,
            tenant=_asked(self.tenant, metadata, TENANT),
            user=_asked(self.user, metadata, USER),
            options=named_graph(self.options, metadata, graph_asking()),
        )
        if not variables:
            return call
        return dataclasses.replace(call, params={**call.params, **variables})


def _asked(name: Name, metadata: Mapping[str, Any], field: str) -> str | None:
    given = name() if callable(name) else name
    if given is None:
        given = metadata.get(field)
    return None if given is None else check_id(given, field)
