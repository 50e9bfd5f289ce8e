"""Whose call a run of an agent is: tenant and user, from an argument or from the run's context."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from langchain_core.runnables.config import ensure_config

from cache_fabric.errors import NotCacheable, ValidationError
from cache_fabric.langchain._run_names import TENANT, USER
from cache_fabric.validation import check_id

__all__ = ["Whose", "check_whose", "named_by"]

Whose = str | Callable[[Any], str | None] | None
"""A text; a function of the run's ``Runtime``; or ``None``: the run's context says it."""

_IN_METADATA = {"tenant": TENANT, "user": USER}


def check_whose(whose: Whose, field: str) -> Whose:
    """Return the argument, or raise `ValidationError`: a text under the rules of an id."""
    return whose if whose is None or callable(whose) else check_id(whose, field)


def named_by(whose: Whose, runtime: Any, field: str) -> str | None:
    """Return the tenant or the user (``field`` says which) of a run, ``None`` for nobody.

    Without an argument it is the attribute or the key ``field`` of ``runtime.context``, or else
    ``field`` with ``_id`` at its end, or else what the run's metadata says, as for a wrapped model.

    Raises:
        NotCacheable: What was found is no text that can be a name. Such a call must not share
            answers with calls of nobody.
    """
    if whose is None:
        context = getattr(runtime, "context", None)
        found = _said(context, field)
        found = _said(context, f"{field}_id") if found is None else found
        metadata = ensure_config().get("metadata", {})
        named = metadata.get(_IN_METADATA[field]) if found is None else found
    else:
        named = whose(runtime) if callable(whose) else whose
    if named is None:
        return None
    try:
        return check_id(named, field)
    except ValidationError as error:
        raise NotCacheable(f"the run's {error}") from error


def _said(context: Any, name: str) -> Any:
    if isinstance(context, Mapping):
        return context.get(name)
    return getattr(context, name, None)
