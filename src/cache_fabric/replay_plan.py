"""What a replay will ask: the last answers given under a context, rebuilt for another version."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from cache_fabric.config import FabricConfig
from cache_fabric.contexts import Contexts
from cache_fabric.engine import Engine
from cache_fabric.errors import NotCacheable, NotFound, ValidationError
from cache_fabric.execution_terms import Sought
from cache_fabric.executions import Executions
from cache_fabric.filled_prompt import with_own_variables
from cache_fabric.freshness import is_fresh
from cache_fabric.keys import derive
from cache_fabric.recipe_form import Recipe, asked, gives_back
from cache_fabric.recipes import Recipes
from cache_fabric.records import ContextEntry, Execution
from cache_fabric.scopes import Owner
from cache_fabric.template import variables
from cache_fabric.types import CacheEntry, CacheRequest, KeySet
from cache_fabric.validation import check_key, check_label
from cache_fabric.version_records import ReplayRow

__all__ = ["Case", "NotAsked", "Plan", "ReplayPlans"]

_PAGE = 100
_LOOKED_AT = 20  # times the limit: runs that used the version already are passed over
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Case:
    """A kept answer, and the request that asks for it under the other version."""

    execution_id: str
    entry: CacheEntry
    request: CacheRequest
    keys: KeySet


@dataclass(slots=True)
class Plan:
    """What to ask, newest run first.

    Attributes:
        path: Of the context.
        candidate: The version.
        begun: Monotonic seconds.
        items: What is asked, and what is not.
        current: Answers that are found under the version as they are.
        seen: Ids of the answers that were looked at, and exact keys of what is to be asked.
        texts: Of other contexts and behaviours, by path.
    """

    key: str
    path: str
    candidate: ContextEntry
    begun: float
    items: list[Case | ReplayRow] = field(default_factory=list)
    current: int = 0
    seen: set[str] = field(default_factory=set)
    texts: dict[str, dict[int, str]] = field(default_factory=dict)

    def cases(self) -> Iterator[Case]:
        """Yield what is to be asked."""
        return (item for item in self.items if isinstance(item, Case))


class NotAsked(Exception):
    """An answer is not asked for again, and why."""


class ReplayPlans:
    """Makes plans; lives on the home loop.

    Args:
        engine: Holds the answers.
        contexts: Hold the versions.
        executions: Tell which answers runs were given.
        recipes: Tell how these were asked for.
        config: How keys are made.
    """

    def __init__(
        self,
        engine: Engine,
        contexts: Contexts,
        executions: Executions,
        recipes: Recipes,
        config: FabricConfig,
    ) -> None:
        self._engine = engine
        self._contexts = contexts
        self._executions = executions
        self._recipes = recipes
        self._config = config

    async def make(self, key: str, version: int | str, tenant: str | None, limit: Any) -> Plan:
        """Return the plan for the newest ``limit`` runs that used another behaviour.

        Raises:
            ValidationError: The version is not text, or the limit no number that it can be.
            NotFound: There is no such context, version or label.
        """
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= _MOST:
            raise ValidationError("limit", f"expected a whole number from 1 to {_MOST:,}")
        plan = await self._begun(key, version, tenant)
        runs = looked_at = 0
        async for execution in self._runs(key, tenant):
            looked_at += 1
            before = len(plan.items)
            await self._look(plan, execution)
            runs += len(plan.items) > before
            if runs == limit or looked_at == _LOOKED_AT * limit:
                break
        return plan

    async def keys_of(self, plan: Plan, request: CacheRequest) -> KeySet:
        """Return the keys that the request has for everybody now.

        Raises:
            NotAsked: The version's text does not stand for its behaviour, or there are no keys.
        """
        view = await self._contexts.live.catch_up(0)
        owner = Owner(request.tenant, request.user)
        try:
            keys = derive(
                request,
                secret=self._config.secret,
                namespace=self._config.namespace,
                embedder=self._engine.semantic.identity,
                max_bytes=self._config.max_request_bytes,
                known=lambda text: view.known(text, owner),
            )
        except NotCacheable as error:
            raise NotAsked(f"it would bypass the cache: {error.reason}") from error
        if (plan.path, plan.candidate.behaviour) not in keys.contexts:
            raise NotAsked("the text of the version stands for another behaviour by now")
        return keys

    async def _begun(self, key: str, version: int | str, tenant: str | None) -> Plan:
        check_key(key, "context")
        which = _which(version)
        candidate = await self._contexts.get(key, None, Owner(tenant), **which)
        view = await self._contexts.live.load()
        path = view.path_of(key, Owner(tenant))
        if candidate is None or path is None:
            raise NotFound(f"no context {key!r} to replay")
        if not isinstance(candidate.value, str):
            raise ValidationError("version", f"{key} version {candidate.version} is not text")
        return Plan(key, path, candidate, time.monotonic())

    async def _runs(self, key: str, tenant: str | None) -> AsyncIterator[Execution]:
        sought, cursor = Sought(context=key, tenant=tenant), None
        while True:
            page = await self._executions.search(sought, _PAGE, cursor)
            for execution in page:
                yield execution
            cursor = page.cursor
            if cursor is None:
                return

    async def _look(self, plan: Plan, execution: Execution) -> None:
        """Add what a run's answers come to; those that a newer run told of are passed over."""
        told = dict.fromkeys(served.entry_id for served in execution.answers)
        fresh = [entry_id for entry_id in told if entry_id not in plan.seen]
        plan.seen.update(fresh)
        found = False
        for entry_id in fresh:
            entry = await self._engine.entry(entry_id)
            if entry is None or plan.path in dict(entry.contexts):
                found = True
                await self._add(plan, execution.execution_id, entry_id, entry)
        if not found and (fresh or not told):
            reason = "none of its answers was given to the text of this context as it stands: "
            reason += "a prompt whose variables are filled in is not recognised"
            name = execution.execution_id
            plan.items.append(ReplayRow(execution_id=name, verdict="skipped", reason=reason))

    async def _add(
        self, plan: Plan, execution_id: str, entry_id: str, entry: CacheEntry | None
    ) -> None:
        try:
            case = await self._case(plan, execution_id, entry)
        except NotAsked as passed:
            row = ReplayRow(
                execution_id=execution_id,
                entry_id=entry_id,
                question=None if entry is None else entry.question,
                old=None if entry is None else entry.text,
                verdict="skipped",
                reason=str(passed),
            )
            plan.items.append(row)
        else:
            plan.items += [] if case is None else [case]

    async def _case(self, plan: Plan, execution_id: str, entry: CacheEntry | None) -> Case | None:
        """Return what to ask, ``None`` for nothing; raises `NotAsked`."""
        if entry is None or not is_fresh(entry, time.time()):
            raise NotAsked("its answer has expired, was evicted or was taken back")
        if (plan.path, plan.candidate.behaviour) in entry.contexts:
            plan.current += 1
            return None
        if not entry.text.strip():
            raise NotAsked("an answer without text cannot be compared")
        recipe = await self._recipes.get(entry.partition)
        if recipe is None:
            raise NotAsked("what is needed to ask it again was not kept")
        if not gives_back(
            recipe,
            entry,
            secret=self._config.secret,
            namespace=self._config.namespace,
            max_bytes=self._config.max_request_bytes,
        ):
            raise NotAsked("its request cannot be made again as it was")
        request = await self._request(plan, recipe, entry)
        keys = await self.keys_of(plan, request)
        if keys.exact in plan.seen:
            return None  # a newer run was asked the same
        plan.seen.add(keys.exact)
        if await self.answered(keys):
            raise NotAsked("it is answered under this version already")
        return Case(execution_id, entry, request, keys)

    async def answered(self, keys: KeySet) -> bool:
        """Return whether an answer is kept under these keys."""
        data = (await self._engine.store.demand(lambda: self._engine.kept.fetch([keys.exact])))[0]
        return self._engine.exact.fresh_of(data, keys) is not None

    async def _request(self, plan: Plan, recipe: Recipe, entry: CacheEntry) -> CacheRequest:
        """Return the request with the version's text, and with the others' as they were."""
        texts = plan.texts
        for _, path, behaviour in recipe.contexts:
            if path not in texts:
                texts[path] = await self._texts(path)
            if behaviour not in texts[path]:
                raise NotAsked("the text of one of its contexts is gone")
        new = plan.candidate.value
        behaviours = [b for _, path, b in recipe.contexts if path == plan.path]
        filled = {name for b in behaviours for name in variables(texts[plan.path][b])}
        unknown = [name for name in variables(new) if name not in filled]
        if unknown:
            raise NotAsked(f"nothing is known to fill in for {', '.join(unknown)}")
        request = asked(
            recipe, entry.question, lambda path, b: new if path == plan.path else texts[path][b]
        )
        return with_own_variables(request)

    async def _texts(self, path: str) -> dict[int, str]:
        """Return the latest text of each behaviour of a context."""
        history = await self._contexts.history(path)
        return {one.behaviour: one.value for one in history if isinstance(one.value, str)}


def _which(version: Any) -> dict[str, Any]:
    if isinstance(version, str):
        return {"label": check_label(version)}
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ValidationError("version", f"expected a number or a label, got {version!r:.40}")
    return {"version": version}
