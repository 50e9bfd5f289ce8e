"""What is a tenant's or a user's is erased, everywhere, and a receipt says how far.

Every place is tried, whatever became of another one, and all of it may be done again: what was
half done is found and ended. Executions go last, and only when the rest has gone: they tell which
answers and contexts are the subject's. Nothing that outlives the data (the change log, log lines,
events) is told whose it was.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cache_fabric.errors import BackendUnavailable, CacheFabricError, IncompleteErasure
from cache_fabric.execution_form import execution_of
from cache_fabric.execution_terms import Sought
from cache_fabric.life import Life
from cache_fabric.part import Degraded
from cache_fabric.receipt import ErasedPlace, Receipt, Remaining
from cache_fabric.stores.documents import Query
from cache_fabric.subject import Subject

__all__ = ["erase"]

_RUNNING = (
    "executions that are still running, or wait in a process that the store is away from, are kept "
    "when they end: erase again after that"
)
_VALUES = (
    "vectors of texts that hosts keep (cached_embeddings, LiteLLM embeddings) are everybody's: "
    "without a text or a name, under keyed hashes, until their ttl or clear_values('embeddings')"
)
_LEARNED = (
    "what a policy has learned keeps hashed counts of words and sums of question vectors, without "
    "a text or a name"
)
_COPIES = "backups of the store and the index that you made, until you delete them"
_LOGS = "log files, traces and metrics that you keep of your own, until they are deleted"
_ELSEWHERE = (
    "other processes serve nothing of it from the moment they hear of it through the change log; "
    "one that is cut off from the log may until then"
)
_NAMED = (
    "{:,} changes in the change log name the scopes and keys of erased contexts, until {:,} more "
    "changes have followed"
)
_NO_INDEX = (
    "this fabric looks for nothing by meaning and opened no index: vectors that others keep of "
    "these answers go with the next erasure there"
)


@dataclass(slots=True)
class _Owned:
    """What executions tell of a subject: their own ids, and those of the answers they made."""

    runs: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)


async def erase(life: Life, subject: Subject, *, hot_ttl: float, dry_run: bool = False) -> Receipt:
    """Erase a subject's data, or count it.

    Args:
        life: All that holds some of it.
        subject: Whose data.
        hot_ttl: Seconds that a process which hears nothing may serve from its memory.
        dry_run: Only count.

    Raises:
        BackendError: The store failed before anything was done.
        IncompleteErasure: Not every place could be done; its ``receipt`` says which.
    """
    if not await life.write_now():  # what waits would be written afterwards
        raise BackendUnavailable("store", "erase", "it is away from what waits to be written")
    owned = await _owned(life, subject)
    if dry_run:
        places = [
            ErasedPlace(name=name, where=where, count=await count(), state="counted")
            for name, where, count in _counts(life, subject, owned)
        ]
        return _receipt(subject, places, [], dry_run=True)
    told: list[str] = []
    places = [await _done(*place) for place in _places(life, subject, owned)]
    if all(place.state == "done" for place in places):
        store = life.parts.store.name
        places.append(
            await _done("executions", store, lambda: life.tracking.executions.erase(subject))
        )
    else:
        why = "kept until the rest is done: they tell what is the subject's"
        places.append(ErasedPlace(name="executions", where="store", count=0, state=why))
    places += [await _done(*place) for place in _bytes(life, subject, owned, told)]
    until = datetime.now(UTC) + timedelta(seconds=hot_ttl)
    receipt = _receipt(subject, places, _remaining(life, until, told))
    if not receipt.complete:
        failed = "; ".join(f"{p.name}: {p.state}" for p in places if p.state != "done")
        raise IncompleteErasure(receipt, failed)
    return receipt


Work = Callable[[], Awaitable[int | None]]
Step = tuple[str, str, Work]


def _counts(life: Life, subject: Subject, owned: _Owned) -> list[tuple[str, str, Work]]:
    store = life.parts.store.name
    query = Query(terms=subject.terms())
    return [
        ("answers", store, lambda: life.invalidations.count(subject, owned.made)),
        ("values", store, lambda: _values(life, subject, life.values.count_place)),
        ("contexts", store, lambda: life.context_erasure.count(subject, owned.runs)),
        ("feedback", store, lambda: life.feedback.count(subject)),
        ("executions", store, lambda: life.tracking.executions.count(query)),
    ]


def _places(life: Life, subject: Subject, owned: _Owned) -> list[Step]:
    store, index = life.parts.store.name, life.parts.index.name

    def verdicts() -> Awaitable[int]:
        noted = life.invalidations.note_vectors
        return life.verdicts.keeping.erase(subject, owned.made, noted)

    async def sums() -> int:
        whole = subject.tenant is not None and subject.user is None
        return await life.sums.erase(subject.tenant) if whole and subject.tenant else 0

    return [
        ("verdicts", store, verdicts),
        ("answers", store, lambda: life.invalidations.erase(subject, owned.made)),
        ("vectors", index, lambda: life.invalidations.erase_vectors()),
        ("values", store, lambda: _values(life, subject, life.values.clear_place)),
        ("contexts", store, lambda: life.context_erasure.erase(subject, owned.runs)),
        ("feedback", store, lambda: life.feedback.erase(subject)),
        ("recipes", store, lambda: life.recipes.erase(subject)),
        ("label guards", store, lambda: life.label_guards.erase(subject)),
        ("name in sums of savings", store, sums),
        ("copies in memory", "every process", lambda: life.local_copies.erase(subject)),
    ]


def _bytes(life: Life, subject: Subject, owned: _Owned, told: list[str]) -> list[Step]:
    """What is left when all is deleted: names in the log, and the bytes that files keep."""

    async def read_log() -> None:
        named = await life.context_erasure.named(subject, owned.runs)
        if named.changes:
            told.append(_NAMED.format(named.changes, named.gone_after))

    async def scrub_index() -> None:
        if life.engine.kept.is_indexed:
            told.extend(await life.engine.semantic.scrub())

    async def scrub_store() -> None:
        told.extend(await life.engine.store.demand(life.parts.store.scrub))

    store = life.parts.store.name
    return [
        ("look at the change log", store, read_log),
        ("deleted bytes", life.parts.index.name, scrub_index),
        ("deleted bytes", store, scrub_store),
    ]


async def _done(name: str, where: str, work: Work) -> ErasedPlace:
    try:
        return ErasedPlace(name=name, where=where, count=await work())
    except Exception as error:  # noqa: BLE001 - what failed is said, and the rest is done
        known = isinstance(error, CacheFabricError | Degraded)
        why = f"failed: {error}" if known else f"failed: {type(error).__name__}"
        return ErasedPlace(name=name, where=where, count=0, state=why)


async def _owned(life: Life, subject: Subject) -> _Owned:
    owned = _Owned()
    async for bodies in life.tracking.executions.pages(
        Sought(tenant=subject.tenant, user=subject.user)
    ):
        for body in bodies:
            owned.runs.add(body.execution_id)
            answers = execution_of(body).answers
            owned.made.update(one.entry_id for one in answers if one.outcome == "miss")
    return owned


async def _values(life: Life, subject: Subject, work: Callable[[str], Awaitable[int]]) -> int:
    return sum([await work(place) for place in life.values.places(subject)])


def _remaining(life: Life, until: datetime, told: list[str]) -> list[Remaining]:
    remaining = [Remaining(what=_RUNNING), Remaining(what=_LEARNED), Remaining(what=_VALUES)]
    if life.parts.store.shared:
        remaining.append(Remaining(what=_ELSEWHERE, until=until))
        remaining.append(Remaining(what=_COPIES))
    if not life.engine.kept.is_indexed:
        remaining.append(Remaining(what=_NO_INDEX))
    remaining.append(Remaining(what=_LOGS))
    return [*remaining, *(Remaining(what=sentence) for sentence in dict.fromkeys(told))]


def _receipt(
    subject: Subject,
    places: list[ErasedPlace],
    remaining: list[Remaining],
    *,
    dry_run: bool = False,
) -> Receipt:
    return Receipt(
        subject=subject,
        at=datetime.now(UTC),
        places=tuple(places),
        remaining=tuple(remaining),
        complete=not dry_run and all(place.state == "done" for place in places),
        dry_run=dry_run,
    )
