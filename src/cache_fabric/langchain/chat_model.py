"""A chat model whose answers come from a fabric: plain, streamed, with tools, with a schema."""

from __future__ import annotations

import threading
from typing import TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

from langchain_core.language_models import BaseChatModel

from cache_fabric.errors import ValidationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.langchain._hooks import Desk, desk_of, put_hooks
from cache_fabric.langchain._terms import Name, Replay, Terms
from cache_fabric.langchain._upstream import AfterLookup
from cache_fabric.options import NO_OPTIONS, CacheOptions

__all__ = ["FabricChatModel", "cached"]

M = TypeVar("M", bound=BaseChatModel)
_LOCK = threading.Lock()
_KINDS: WeakKeyDictionary[type, WeakValueDictionary[Terms, type]] = WeakKeyDictionary()


def cached(
    model: M,
    fabric: CacheFabric,
    *,
    tenant: Name = None,
    user: Name = None,
    options: CacheOptions = NO_OPTIONS,
    replay: Replay = "instant",
) -> M:
    """Return the model with its answers kept in a fabric; the model itself is left as it is.

    What comes back is an object of a subclass of the model's own class, with the same fields and
    the same clients: ``isinstance``, serialisation, ``bind_tools``, ``with_structured_output``,
    ``configurable_fields`` and token counting are the model's. Every call goes through the fabric,
    and through no other cache: ``cache`` is off. One entry serves plain and streamed calls.

    A hit has a fresh id, the marks of `FabricCache` and ``total_cost`` 0 in its usage; streamed, it
    comes in several chunks. Only complete answers are kept: a stream that was left, cut or failed
    is not. Streams ask for their usage where the model leaves that open (``stream_usage``), so
    that a stream may end with one chunk more, which is empty but for the usage. A ``rate_limiter``
    is asked after the lookup: hits are free. Callers of one stream that is under way, in threads
    or in tasks of one loop, read it as it comes; any other caller of the same request waits for
    the whole answer.

    No fault, of a backend or of this package, reaches the caller: the model is called as if it had
    not been wrapped, and that is counted as a bypass.

    Args:
        model: Any chat model, wrapped or not; wrapped again for the same fabric, it has the new
            terms only.
        fabric: Used as it is and never closed.
        tenant: Whose calls these are, or a function that names the tenant at each call, in its
            context; answers are not shared between tenants. Without one, a run may name it:
            ``config={"metadata": {"cache_fabric_tenant": ...}}``.
        user: The same for end users (``cache_fabric_user``), when answers must not be shared
            between them either.
        options: Of every request.
        replay: ``"instant"``, or ``"natural"``: a kept answer streams at about the pace that the
            model had, with pauses of at most 50 ms.

    Raises:
        ValidationError: ``model`` is no chat model, or another argument is not usable.
    """
    given: object = model
    if not isinstance(given, BaseChatModel):
        raise ValidationError("model", f"expected a chat model, got {_told(given)}")
    terms = Terms(fabric, tenant, user, options, replay)
    base: type[BaseChatModel] = type(model)
    desk = desk_of(model)
    if desk is not None and desk.terms.fabric is fabric:
        base = desk.upstream.base
    limiter = model.rate_limiter
    if limiter is not None and not isinstance(limiter, AfterLookup):
        limiter = AfterLookup(limiter)
    wrapped = model.model_copy(update={"cache": False, "rate_limiter": limiter})
    object.__setattr__(wrapped, "__class__", _kind(base, terms))
    return wrapped


class _ByTerms(type):
    """Knows a wrapped model by what `cached` put into its class."""

    def __instancecheck__(cls, model: object) -> bool:
        return desk_of(model) is not None


class FabricChatModel(metaclass=_ByTerms):
    """`cached` as a class: ``FabricChatModel(model, fabric)`` is ``cached(model, fabric)``.

    What it makes is of the model's own class and of this one: ``isinstance(x, FabricChatModel)``
    says whether a model is wrapped.
    """

    def __new__(  # type: ignore[misc]
        cls,
        model: M,
        fabric: CacheFabric,
        *,
        tenant: Name = None,
        user: Name = None,
        options: CacheOptions = NO_OPTIONS,
        replay: Replay = "instant",
    ) -> M:
        return cached(model, fabric, tenant=tenant, user=user, options=options, replay=replay)


def _kind(base: type[BaseChatModel], terms: Terms) -> type:
    """Return the subclass for these terms. What the hooks need is in the class, not in a field:
    so it is still there when LangChain rebuilds a model from its fields."""
    with _LOCK:
        kinds = _KINDS.setdefault(base, WeakValueDictionary())
        kind = kinds.get(terms)
        if kind is None:
            same = {"__module__": base.__module__, "__qualname__": base.__qualname__}
            metaclass: type[type] = type(base)
            kind = metaclass(base.__name__, (base,), {**same, "__doc__": base.__doc__})
            put_hooks(kind, Desk(terms, base))
            kinds[terms] = kind
    return kind


def _told(given: object) -> str:
    name = type(given).__name__
    if hasattr(given, "invoke"):
        return f"a {name}: wrap the model inside it, where it is made"
    return name
