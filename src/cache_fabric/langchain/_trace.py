"""One run in the making: its steps, and the state of the execution that they add up to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cache_fabric.errors import ValidationError
from cache_fabric.langchain._lookups import Asking
from cache_fabric.langchain._plain import Allowance
from cache_fabric.types import Usage
from cache_fabric.validation import check_id

__all__ = ["Kind", "Status", "Step", "Trace"]

Kind = Literal["chain", "model", "tool", "retriever"]
Status = Literal["success", "error", "interrupted", "cancelled", "unfinished"]

# All that an execution keeps fits into the 1 MiB of a record, whatever the characters are.
_CHARACTERS_OF_STEPS = 96_000
_CHARACTERS_OF_RUN = 16_000


@dataclass(slots=True, eq=False, kw_only=True)
class Step:
    """One run inside a run.

    Attributes:
        parent: Id of the step that it ran in; ``None`` right under the run itself.
        started: Seconds since the epoch.
        clock: Monotonic seconds at its start.
        usage: Tokens that were spent; ``None`` where they are not known, and for a hit.
        cost: Micro-dollars that were spent, ``None`` where they are not known, and for a hit.
        answered: True once a model gave an answer or a part of it.
        cache: How the cache took it: ``outcome`` ``hit``, ``miss`` or ``bypass`` and more of it;
            ``None`` when no fabric looked.
        first_token: Seconds from the start to the first token of a stream.
        asking: Hears how a cache took it.
        is_listed: False for a step beyond the bound, which only counts.
    """

    kind: Kind
    name: str
    id: str
    parent: str | None
    started: float = field(default_factory=time.time)
    clock: float = field(default_factory=time.monotonic)
    seconds: float | None = None
    status: Status = "unfinished"
    error: dict[str, str] | None = None
    input: Any = None
    output: Any = None
    model: str | None = None
    usage: Usage | None = None
    cost: int | None = None
    answered: bool = False
    cache: dict[str, Any] | None = None
    first_token: float | None = None
    retries: int = 0
    asking: Asking | None = None
    is_listed: bool = True
    tags: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_hit(self) -> bool:
        return self.cache is not None and self.cache["outcome"] == "hit"

    @property
    def is_call(self) -> bool:
        """True for a model call that may have been paid for: not one that failed without a word."""
        failed = self.status == "error" and not self.answered
        return self.kind == "model" and not self.is_hit and not failed

    def plain(self) -> dict[str, Any]:
        """Return the step as an execution holds it; money in dollars."""
        return {
            "kind": self.kind,
            "name": self.name,
            "id": self.id,
            "parent": self.parent,
            "started": self.started,
            "seconds": self.seconds,
            "status": self.status,
            "error": self.error,
            "input": self.input,
            "output": self.output,
            "model": self.model,
            "tokens": _tokens(self.usage),
            "cost": _dollars(self.cost),
            "cache": self.cache,
            "first_token": self.first_token,
            "retries": self.retries,
            "tags": self.tags,
            "metadata": self.metadata,
        }


@dataclass(slots=True, eq=False)
class Tally:
    """The sums of a run, those of steps beyond the bound included.

    Attributes:
        under_way: Model steps that have not ended: as long as there are any, the sums are unknown.
        usage, cost: What was spent, in tokens and micro-dollars.
        saved_tokens, saved: What the hits would have cost.
    """

    under_way: int = 0
    usage: Usage | None = field(default_factory=lambda: Usage(input_tokens=0, output_tokens=0))
    cost: int | None = 0
    hits: int = 0
    misses: int = 0
    saved_tokens: int | None = 0
    saved: int | None = 0

    def begin(self, step: Step) -> None:
        self.under_way += step.kind == "model"

    def end(self, step: Step) -> None:
        self.under_way -= step.kind == "model"
        if step.is_call:
            self.usage = _together(self.usage, step.usage)
            self.cost = _plus(self.cost, step.cost)
        if step.cache is not None:
            self.misses += step.cache["outcome"] == "miss"
        if step.cache is not None and step.is_hit:
            self.hits += 1
        if step.cache is not None and step.is_hit and step.kind == "model":  # tools have no price
            self.saved_tokens = _plus(self.saved_tokens, step.cache["saved_tokens"])
            self.saved = _plus(self.saved, _micros(step.cache["saved_cost"]))

    def plain(self) -> dict[str, Any]:
        """Return the sums as an execution holds them."""
        known = not self.under_way
        return {
            "tokens": _tokens(self.usage) if known else None,
            "cost": _dollars(self.cost) if known else None,
            "hits": self.hits,
            "misses": self.misses,
            "saved_tokens": self.saved_tokens,
            "saved_cost": _dollars(self.saved),
        }


@dataclass(slots=True, eq=False, kw_only=True)
class Trace:
    """A root run and what ran inside it.

    Attributes:
        graph: Name of the execution's graph.
        known_as: Id of the execution, where the run names another than its own.
        raw_tags, raw_metadata: As LangChain gave them; steps inherit them and need not repeat them.
        tenant, user: Whose run it is, as the run or the first call in it says.
        nodes: Names of the graph's nodes in the order of their starts.
        contexts: Versions of contexts that the run used.
        dropped: Steps beyond the bound.
        said: The last event of our middleware: where two handlers hear it, it is the same object.
        runs: Ids of the runs of it that are open, for the table that knows them.
        own: What the steps may draw on; the run's input and output have allowances of their own.
    """

    id: str
    graph: str
    known_as: str | None = None
    tags: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    raw_tags: Iterable[str] = ()
    raw_metadata: Mapping[str, Any] = field(default_factory=dict)
    thread_id: str | None = None
    tenant: str | None = None
    user: str | None = None
    started: float = field(default_factory=time.time)
    clock: float = field(default_factory=time.monotonic)
    status: Status = "unfinished"
    error: dict[str, str] | None = None
    input: Any = None
    output: Any = None
    steps: list[Step] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    contexts: list[dict[str, Any]] = field(default_factory=list)
    dropped: int = 0
    said: Any = None
    tally: Tally = field(default_factory=Tally)
    runs: set[Any] = field(default_factory=set)
    own: Allowance = field(default_factory=lambda: Allowance(_CHARACTERS_OF_STEPS))
    of_input: Allowance = field(default_factory=lambda: Allowance(_CHARACTERS_OF_RUN))
    of_output: Allowance = field(default_factory=lambda: Allowance(_CHARACTERS_OF_RUN))

    def is_known_as(self, execution_id: Any) -> None:
        """Take note of the id that the execution is to have."""
        self.known_as = _name(execution_id, "execution_id")

    def belongs_to(self, tenant: Any, user: Any) -> None:
        """Take note of whose the run is; the first who says it has said it."""
        self.tenant = self.tenant or _name(tenant, "tenant")
        self.user = self.user or _name(user, "user")

    def state(self) -> dict[str, Any]:
        """Return the state of the execution; money in dollars, unknown is ``None``.

        ``tokens`` and ``cost`` are what was spent: nothing for hits, and unknown as soon as one
        call's are. ``saved_cost`` and ``saved_tokens`` are what the hits would have cost.
        """
        return {
            "status": self._status(),
            "started": self.started,
            "seconds": time.monotonic() - self.clock,
            "input": self.input,
            "output": self.output,
            "error": self.error,
            "thread_id": self.thread_id,
            "nodes_executed": self.nodes or [s.name for s in self.steps if s.parent is None],
            "steps": [step.plain() for step in self.steps],
            "steps_dropped": self.dropped,
            **self.tally.plain(),
            "contexts": self.contexts,
            "metadata": self.metadata,
        }

    def _status(self) -> Status:
        """A graph that waits for a person ends well, with a step that says so."""
        waits = any(step.status == "interrupted" for step in self.steps)
        return "interrupted" if waits and self.status == "success" else self.status


def _name(said: Any, field: str) -> str | None:
    """Return a name that an execution can have: metadata may hold anything."""
    try:
        return check_id(said, field)
    except ValidationError:
        return None


_TOKENS: Mapping[str, Callable[[Usage], int]] = {
    "input": lambda usage: usage.input_tokens,
    "output": lambda usage: usage.output_tokens,
    "total": lambda usage: usage.total_tokens,
    "cache_read": lambda usage: usage.cache_read_tokens,
    "cache_creation": lambda usage: usage.cache_creation_tokens,
    "reasoning": lambda usage: usage.reasoning_tokens,
    "estimated": lambda usage: usage.estimated,
}


def _tokens(usage: Usage | None) -> dict[str, int] | None:
    return None if usage is None else {name: read(usage) for name, read in _TOKENS.items()}


def _plus(one: int | None, other: int | None) -> int | None:
    """Add up; one unknown makes the sum unknown."""
    return None if one is None or other is None else one + other


def _together(one: Usage | None, other: Usage | None) -> Usage | None:
    if one is None or other is None:
        return None
    return Usage(
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        cache_read_tokens=one.cache_read_tokens + other.cache_read_tokens,
        cache_creation_tokens=one.cache_creation_tokens + other.cache_creation_tokens,
        reasoning_tokens=one.reasoning_tokens + other.reasoning_tokens,
        estimated=one.estimated or other.estimated,
    )


def _micros(dollars: float | None) -> int | None:
    return None if dollars is None else round(dollars * 1e6)


def _dollars(micros: int | None) -> float | None:
    return None if micros is None else micros / 1e6
