"""The words of the product: frozen records that every layer shares.

Durations are seconds as float, money is integer micro-dollars, times are seconds since the
epoch (UTC) inside records and aware ``datetime`` at the edge. Similarity is 1.0 for identical
texts; a distance never leaves its driver.
"""

from __future__ import annotations

import enum
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cache_fabric.errors import ValidationError
from cache_fabric.options import NO_OPTIONS, CacheOptions
from cache_fabric.usage import Usage
from cache_fabric.viewed import Viewed

__all__ = [
    "Answer",
    "Bypass",
    "CacheEntry",
    "CacheRequest",
    "Candidate",
    "ContextScope",
    "Hit",
    "KeySet",
    "LookupResult",
    "Miss",
    "Neighbor",
    "Ticket",
    "Tier",
    "Usage",
    "new_entry_id",
]

Tier = Literal["hot", "exact", "flight", "semantic"]


class ContextScope(enum.StrEnum):
    """Who may see a context, from wide to narrow; the id of the scope is part of the key."""

    GLOBAL = "global"
    TENANT = "tenant"
    USER = "user"
    EXECUTION = "execution"
    FEEDBACK = "feedback"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRequest:
    """One model call as plain data, the same for every host.

    Args:
        model: Name of the model that is asked.
        messages: Role-tagged messages (``{"role": ..., "content": ...}``), oldest first. Content
            is text or a list of content blocks.
        tools: Tool definitions that the model may call.
        params: Every other parameter of the call; an unknown one counts like a known one.
        tenant: Whose call this is; answers are never shared between tenants.
        user: End user, when answers must not be shared between users either.
        kind: ``"chat"`` or ``"completion"``; the two never share an answer.
        options: What this request asks of the cache; not part of its key.
    """

    model: str
    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Any] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    tenant: str | None = None
    user: str | None = None
    kind: Literal["chat", "completion"] = "chat"
    options: CacheOptions = NO_OPTIONS

    def __post_init__(self) -> None:
        given: object = self.options
        if not isinstance(given, CacheOptions):
            raise ValidationError("options", f"expected CacheOptions, got {type(given).__name__}")


@dataclass(frozen=True, slots=True)
class KeySet:
    """What a request is looked up by.

    Attributes:
        partition: Keyed SHA-256 of the context as hex: everything but the question.
        exact: Keyed SHA-256 of partition and question, byte for byte, as hex.
        question: Text of the last user message, or ``None`` where meaning must not be compared
            (a tool result is last, several alternatives are asked for, the text is empty).
        contexts: Path and behaviour of the contexts that stand for system messages.
        family: Keyed SHA-256 of the task as hex: of the partition without whose call it is and
            what was said before. Answers never cross a partition; what a policy learns may.
    """

    partition: str
    exact: str
    question: str | None
    contexts: tuple[tuple[str, int], ...] = ()
    family: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A model's answer as a host hands it in.

    Attributes:
        payload: Plain data (what JSON can say) that the host turns back into its own objects.
        text: The answer as text, for comparisons and for "is it empty".
        finish_reasons: One per alternative, ``None`` where the host names none.
        tool_calls: Names of the tools that the answer calls.
        error: Why the answer must not be kept (an error body, a refusal), else ``None``.
    """

    payload: Any
    text: str = ""
    finish_reasons: tuple[str | None, ...] = ()
    tool_calls: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry(Viewed):
    """One kept answer with all that is known of the call that produced it.

    The id is the exact key and a nonce: it names this answer, not the one that may replace it.
    ``origin`` says where an answer comes from that no call produced as it is.
    """

    id: str
    exact: str
    partition: str
    question: str | None
    payload: Any
    model: str
    created: float
    expires: float | None = None
    embedder: str = ""
    tenant: str | None = None
    user: str | None = None
    usage: Usage | None = None
    cost_micros: int | None = None
    latency: float | None = None
    text: str = ""
    contexts: tuple[tuple[str, int], ...] = ()
    tags: tuple[str, ...] = ()
    origin: str | None = None

    def age(self, now: float | None = None) -> float:
        """Seconds since the model gave the answer, never negative."""
        return max(0.0, (time.time() if now is None else now) - self.created)


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A vector found near the question: the exact key of its entry, and how near."""

    id: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A neighbor whose entry was read, ready to be judged."""

    entry: CacheEntry
    similarity: float


def new_entry_id(keys: KeySet) -> str:
    """Return a new id for an answer to these keys: the exact key and a nonce."""
    return f"{keys.exact}.{secrets.token_hex(4)}"


@dataclass(slots=True, eq=False)
class Ticket:
    """Permission to answer one request; made by the caller, closed once.

    A lookup grants leadership only to an open ticket, and leaving without a result closes it, so
    a cancelled caller can never hold a lease (measured in the design's prototype).

    Attributes:
        caller: Thread and task that asked; a caller never waits for itself.
        started: Monotonic seconds when the lookup began.
        lookup_seconds: What the lookup took.
        vector: The question's unit vector once it has been embedded, so that a store need not.
        stale: The expired answer of the same request, while its stale windows last.
        calls: True once the lookup has ended in a miss: the caller is with the model.
        counted: True once the lookup has been counted.
        told: True once the end of that call has been counted.
        lease: Token of the lease that it holds in the store.
        judged: What a policy that learns wants to hear of again.
        shadowed: What the shadow policy decided.
        verified: The entry that a verifier was asked about, and the log odds that it gave.
        trace: What the policy's decision rested on, for `explain`.
        id: Of the lookup.
    """

    keys: KeySet
    request: CacheRequest = field(repr=False)
    caller: tuple[int, int]
    started: float = field(default_factory=time.monotonic)
    lookup_seconds: float = 0.0
    vector: Any = field(default=None, repr=False)
    stale: CacheEntry | None = field(default=None, repr=False)
    judged: Any = field(default=None, repr=False)
    shadowed: Any = field(default=None, repr=False)
    verified: tuple[str, float] | None = None
    trace: Any = field(default=None, repr=False)
    calls: bool = False
    counted: bool = False
    told: bool = False
    lease: bytes | None = field(default=None, repr=False)
    closed: bool = False
    id: str = ""
    _entry_id: str = field(default="", repr=False)

    @property
    def entry_id(self) -> str:
        """Id of the entry that this ticket's answer becomes, if it is kept."""
        self._entry_id = self._entry_id or new_entry_id(self.keys)
        return self._entry_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit(Viewed):
    """An answer served from the cache.

    Attributes:
        entry: A private copy; changing its payload changes nothing that is kept.
        tier: Where it was found: ``hot``, ``exact``, ``flight`` or ``semantic``.
        similarity: 1.0 unless the tier is ``semantic``.
        reason: Why it was served, in words.
        seconds: Time of the lookup.
        probability: That the answer is right, where the policy states one.
        stale: True for an answer past its time, see ``FabricConfig.stale_while_revalidate`` and
            ``stale_if_error``.
        lookup_id: Names this lookup for ``explain`` in this process.
        asked: What the request was looked up by.
        saved_micros, saved_tokens: What the model call would have cost now, in micro-dollars and
            tokens; ``None`` where that is not known, 0 for an answer that stands in for a failed
            call: nothing was avoided.
    """

    entry: CacheEntry
    tier: Tier
    similarity: float = 1.0
    reason: str = "same request"
    seconds: float = 0.0
    probability: float | None = None
    stale: bool = False
    lookup_id: str = ""
    asked: KeySet | None = field(default=None, repr=False)
    saved_micros: int | None = None
    saved_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss(Viewed):
    """No answer: call the model, then ``store`` with the ticket or ``release`` it.

    Attributes:
        ticket: Hands the answer to those who wait for it.
        reason: ``"not_found"``, a policy's refusal, ``"flight_timeout"`` or a degraded part.
        nearest: The best candidate that was refused, if any.
        probability: That the best neighbor's answer is right, where the policy states one.
        degraded: The part of ours that failed (``"store"``, ``"embedder"`` ...), else ``None``.
        lookup_id: Names this lookup for ``explain`` in this process.
    """

    ticket: Ticket
    reason: str
    seconds: float = 0.0
    nearest: Candidate | None = None
    probability: float | None = None
    degraded: str | None = None
    lookup_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bypass(Viewed):
    """The request is not for the cache; nothing will be stored for it either."""

    reason: str
    seconds: float = 0.0


LookupResult = Hit | Miss | Bypass
