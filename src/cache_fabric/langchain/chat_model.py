"""A chat model whose answers come from a fabric: plain, streamed, with tools, with a schema."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar, cast
from weakref import WeakKeyDictionary, WeakValueDictionary

from langchain_core.language_models import BaseChatModel, BaseLLM
from langchain_core.runnables import Runnable

from cache_fabric.errors import ValidationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.langchain._held_model import HeldChatModel, HeldUpstream, holding
from cache_fabric.langchain._hooks import Desk, desk_of, put_hooks
from cache_fabric.langchain._terms import Name, Replay, Terms
from cache_fabric.langchain._upstream import AfterLookup, Upstream
from cache_fabric.options import NO_OPTIONS, CacheOptions

__all__ = ["FabricChatModel", "cached"]

M = TypeVar("M", bound=BaseChatModel)
_LOCK = threading.Lock()
_KINDS: WeakKeyDictionary[type, WeakValueDictionary[tuple[Terms, str], type]] = WeakKeyDictionary()


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
    ``configurable_fields`` and token counting are the model's. (A class that refuses to be
    subclassed is held by another chat model instead, which is not of its class.) Every call goes
    through the fabric, and through no other cache: ``cache`` is off. One entry serves plain and
    streamed calls.

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
        model: Any chat model, wrapped or not; wrapped again for the same fabric, it stays on its
            terms where no other are given.
        fabric: Used as it is and never closed.
        tenant: Whose calls these are, or a function that names the tenant at each call, in its
            context (each text is a class of its own, so many tenants want a function); answers are
            not shared between tenants. Without one, a run may name it:
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
    desk = desk_of(model)
    if desk is None or desk.terms.fabric is not fabric:
        return _wrapped(model, type(model), terms)
    held = model.bound if isinstance(model, HeldChatModel) else model
    return _wrapped(cast("M", held), desk.upstream.base, terms.over(desk.terms))


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


def _wrapped(model: M, base: type[BaseChatModel], terms: Terms) -> M:
    limiter = model.rate_limiter
    if limiter is not None and not isinstance(limiter, AfterLookup):
        limiter = AfterLookup(limiter)
    copy = model.model_copy(update={"cache": False, "rate_limiter": limiter})
    try:
        object.__setattr__(copy, "__class__", _kind(base, terms, _subclass))
    except Exception:  # noqa: BLE001 - a class may refuse a subclass by any error
        return cast("M", holding(_kind(base, terms, _holder), copy))
    return copy


def _kind(base: type[BaseChatModel], terms: Terms, make: Callable[..., type]) -> type:
    """Return the class for these terms. What the hooks need is in the class, not in a field:
    so it is still there when LangChain rebuilds a model from its fields."""
    with _LOCK:
        kinds = _KINDS.setdefault(base, WeakValueDictionary())
        kind = kinds.get((terms, make.__name__))
        if kind is None:
            kind = kinds[terms, make.__name__] = make(base, terms)
    return kind


def _subclass(base: type[BaseChatModel], terms: Terms) -> type:
    same = {name: getattr(base, name) for name in ("__module__", "__qualname__", "__doc__")}
    metaclass: type[type] = type(base)
    kind = metaclass(base.__name__, (base,), same)
    return put_hooks(kind, Desk(terms, Upstream(base)))


def _holder(base: type[BaseChatModel], terms: Terms) -> type:
    metaclass: type[type] = type(HeldChatModel)
    kind = metaclass("FabricChatModel", (HeldChatModel,), {"__module__": __name__})
    return put_hooks(kind, Desk(terms, HeldUpstream(base)))


def _told(given: object) -> str:
    name = type(given).__name__
    if isinstance(given, BaseLLM):
        return f"the completion model {name}: give it a FabricCache as its cache"
    if isinstance(given, Runnable):
        return f"a {name}: wrap the chat model inside it, where it is made"
    return name
