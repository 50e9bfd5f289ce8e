"""Replay: what the last runs of a context would have said under another version of it.

The model is the caller's and is called on the caller's side; before and after that, the home loop
plans and judges. Answers that did not change can be kept under the version's behaviour as well:
then its publication does not begin with misses.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cache_fabric import codec
from cache_fabric.answer_changes import told_apart
from cache_fabric.answers import same_meaning, same_text
from cache_fabric.config import FabricConfig
from cache_fabric.contexts import Contexts
from cache_fabric.engine import Engine
from cache_fabric.errors import ValidationError
from cache_fabric.filled_prompt import as_asked
from cache_fabric.line_files import Progress
from cache_fabric.plain_answer import as_answer
from cache_fabric.policy.admission import may_store
from cache_fabric.pricing import PriceTable
from cache_fabric.recipes import Recipes
from cache_fabric.replay_plan import Case, NotAsked, Plan, ReplayPlans
from cache_fabric.scopes import Owner
from cache_fabric.types import Answer, CacheRequest, Usage, new_entry_id
from cache_fabric.version_records import ReplayReport, ReplayRow

__all__ = ["Model", "Replays", "Same", "Told", "ask", "ask_in_turn"]

Model = Callable[[CacheRequest], Awaitable[Any] | Any]
"""Answers a request: with text, plain data, an `Answer`, or one of these and its `Usage`."""
Same = Callable[[str, str], Awaitable[bool | None] | bool | None]
"""Says whether two answers, old and new, come to the same; ``None`` if it cannot tell."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the model said to a case; ``same`` where the caller has compared it."""

    text: str = ""
    usage: Usage | None = None
    failure: str | None = None
    same: bool | None = None
    compared: bool = False


async def ask(
    cases: Sequence[Case],
    model: Model,
    same: Same | None,
    concurrency: Any,
    progress: Progress | None,
    config: FabricConfig,
) -> list[Told]:
    """Ask the model on the running loop, so many at a time; what it raises is told."""
    if isinstance(concurrency, bool) or not isinstance(concurrency, int) or concurrency < 1:
        text = f"expected a whole number above 0, got {concurrency!r:.40}"
        raise ValidationError("concurrency", text)
    turns, done = asyncio.Semaphore(concurrency), 0

    async def one(case: Case) -> Told:
        nonlocal done
        async with turns:
            try:
                told = _told(await _awaited(model(as_asked(case.request))), config)
                if same is not None and told.failure is None:
                    told = replace(
                        told, same=await _awaited(same(case.entry.text, told.text)), compared=True
                    )
            except Exception as error:  # noqa: BLE001 - the caller's code; its fault is a row
                told = _failure(error)
        done += 1
        if progress is not None:
            progress(done, len(cases))
        return told

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(case)) for case in cases]
    return [task.result() for task in tasks]


def ask_in_turn(
    cases: Sequence[Case],
    model: Model,
    same: Same | None,
    progress: Progress | None,
    config: FabricConfig,
) -> list[Told]:
    """As `ask`, blocking, one after another in the caller's thread."""
    found = []
    for number, case in enumerate(cases, 1):
        try:
            told = _told(_at_once(model(as_asked(case.request)), "model"), config)
            if same is not None and told.failure is None:
                said = _at_once(same(case.entry.text, told.text), "same")
                told = replace(told, same=said, compared=True)
        except ValidationError:
            raise
        except Exception as error:  # noqa: BLE001 - the caller's code; its fault is a row
            told = _failure(error)
        found.append(told)
        if progress is not None:
            progress(number, len(cases))
    return found


class Replays:
    """Plans, judges and carries over; lives on the home loop.

    Args:
        plans: What to ask.
        engine: Holds the answers.
        contexts: Tell which texts are contexts.
        recipes: Kept for what is carried over too.
        config: Limits.
        prices: What tokens cost.
    """

    def __init__(
        self,
        plans: ReplayPlans,
        engine: Engine,
        contexts: Contexts,
        recipes: Recipes,
        config: FabricConfig,
        prices: PriceTable,
    ) -> None:
        self.plans = plans
        self._engine = engine
        self._contexts = contexts
        self._recipes = recipes
        self._secret = config.secret
        self._prices = prices

    def planned(self, plan: Plan) -> ReplayReport:
        """Return the report of a plan that nobody was asked about."""
        rows = [
            item
            if isinstance(item, ReplayRow)
            else _row(item, verdict="planned", reason="would be asked")
            for item in plan.items
        ]
        return _report(plan, rows)

    async def judge(self, plan: Plan, answers: Sequence[Told], *, carry_over: bool) -> ReplayReport:
        """Return what changed; keep what did not, if asked to, under the version's behaviour."""
        cases = list(plan.cases())
        verdicts = await self._verdicts(cases, answers)
        rows, judged = [], iter(zip(cases, verdicts, strict=True))
        for item in plan.items:
            if isinstance(item, ReplayRow):
                rows.append(item)
                continue
            case, row = next(judged)
            is_kept = carry_over and row.verdict == "unchanged"
            rows.append(await self._carried(plan, case, row) if is_kept else row)
        tokens, cost = self._spent(cases, answers)
        return replace(_report(plan, rows), tokens=tokens, cost=cost)

    def _spent(
        self, cases: Sequence[Case], answers: Sequence[Told]
    ) -> tuple[int | None, float | None]:
        """Return the tokens and dollars of the model's calls, where all are known."""
        used = [told.usage for told in answers if told.usage is not None]
        if not used or len(used) < len(answers):
            return None, None
        micros = [
            self._prices.cost_micros(case.request.model, usage)
            for case, usage in zip(cases, used, strict=True)
        ]
        priced = [one for one in micros if one is not None]
        cost = sum(priced) / 1e6 if len(priced) == len(micros) else None
        return sum(usage.total_tokens for usage in used), cost

    async def _verdicts(self, cases: Sequence[Case], answers: Sequence[Told]) -> list[ReplayRow]:
        rows: list[ReplayRow] = []
        for case, told in zip(cases, answers, strict=True):
            if told.failure is not None:
                rows.append(_row(case, verdict="failed", reason=told.failure))
                continue
            is_same, reason = await self._compared(case.entry.text, told)
            verdict = "unchanged" if is_same else "changed"
            rows.append(replace(_row(case, verdict=verdict, reason=reason), new=told.text))
        return rows

    async def _compared(self, old: str, told: Told) -> tuple[bool, str]:
        if told.compared:
            known = told.same is not None
            return told.same is True, "as the caller says" if known else "the caller cannot tell"
        await asyncio.sleep(0)  # lookups take turns with long texts
        by_text = old == told.text or same_text(told.text, old)
        if by_text is not None:
            return by_text, "the same text" if by_text else "another text"
        apart = told_apart(old, told.text)
        if apart is not None:
            return False, apart
        vectors = await self._engine.semantic.embed([told.text, old])
        by_meaning = same_meaning(vectors[0], vectors[1])
        if by_meaning is None:
            return False, "cannot be told"
        return by_meaning, "the same meaning" if by_meaning else "another meaning"

    async def _carried(self, plan: Plan, case: Case, row: ReplayRow) -> ReplayRow:
        """Keep an answer under the version's behaviour, unless something has happened to it."""
        try:
            if await self.plans.keys_of(plan, case.request) != case.keys:
                raise NotAsked("its contexts have changed meanwhile")
            if await self.plans.answered(case.keys):
                raise NotAsked("it was answered under this version meanwhile")
        except NotAsked as passed:
            return replace(row, reason=f"{row.reason}; not carried over: {passed}")
        old = case.entry
        entry = replace(
            old,
            id=new_entry_id(case.keys),
            exact=case.keys.exact,
            partition=case.keys.partition,
            contexts=case.keys.contexts,
            embedder=self._engine.semantic.identity,
            origin=f"carried over from {old.id}: {row.reason}",
        )
        data = codec.encode(entry, self._secret)
        kept = await self._engine.entry(old.id)
        if kept is None or self._engine.retirements.cover(old, plan.begun):
            return replace(row, reason=f"{row.reason}; not carried over: it was taken back")
        self._engine.settle(None, entry, data)
        known = self._contexts.live.known(Owner(case.request.tenant, case.request.user))
        self._recipes.keep(case.request, entry, known)
        return replace(row, carried=entry.id)


def _report(plan: Plan, rows: Sequence[ReplayRow]) -> ReplayReport:
    return ReplayReport(
        key=plan.key,
        version=plan.candidate.version,
        behaviour=plan.candidate.behaviour,
        rows=tuple(rows),
        current=plan.current,
    )


def _row(case: Case, **said: Any) -> ReplayRow:
    entry = case.entry
    return ReplayRow(
        execution_id=case.execution_id,
        entry_id=entry.id,
        question=entry.question,
        old=entry.text,
        **said,
    )


def _told(response: Any, config: FabricConfig) -> Told:
    usage = None
    if isinstance(response, tuple) and len(response) == 2 and isinstance(response[1], Usage | None):
        response, usage = response
    answer = response if isinstance(response, Answer) else as_answer(response)
    unfit = may_store(answer, config)
    return Told(text=answer.text, usage=usage, failure=unfit)


def _failure(error: Exception) -> Told:
    return Told(failure=f"{type(error).__name__}: {error}"[:500])


async def _awaited(said: Any) -> Any:
    return await said if inspect.isawaitable(said) else said


def _at_once(said: Any, field: str) -> Any:
    if not inspect.isawaitable(said):
        return said
    if inspect.iscoroutine(said):
        said.close()
    raise ValidationError(field, "is a coroutine function: await fabric.replay instead")
