"""A request whose system message was filled in: it holds the text, and its variables apart. Pure.

So the fabric knows the text as a context, whatever it was filled with; and the values count in the
key like every other parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cache_fabric.template import fill_known, variables
from cache_fabric.types import CacheRequest

__all__ = ["VARIABLES", "as_asked", "with_own_variables"]

VARIABLES = "langchain:variables"
"""The parameter that holds them: values by name, of the first message."""


def with_own_variables(request: CacheRequest) -> CacheRequest:
    """Return a request without the variables that its text does not name."""
    values = request.params.get(VARIABLES)
    if not isinstance(values, Mapping):
        return request
    text = request.messages[0].get("content")
    names = variables(text) if isinstance(text, str) else ()
    own = {name: values[name] for name in names if name in values}
    rest = {name: value for name, value in request.params.items() if name != VARIABLES}
    return replace(request, params={**rest, VARIABLES: own} if own else rest)


def as_asked(request: CacheRequest) -> CacheRequest:
    """Return a request as its model is asked it: with the values in their places."""
    values = request.params.get(VARIABLES)
    if not isinstance(values, Mapping):
        return request
    first, *others = request.messages
    text = first.get("content")
    if isinstance(text, str):
        first = {**first, "content": fill_known(text, values)}
    params = {name: value for name, value in request.params.items() if name != VARIABLES}
    return replace(request, messages=[first, *others], params=params)
