"""The facade's methods on what feedback and replays say of the versions of a context."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from cache_fabric.config import FabricConfig
from cache_fabric.dataset_rows import check_split
from cache_fabric.datasets import Wanted, write
from cache_fabric.errors import ValidationError
from cache_fabric.execution_terms import seconds_of
from cache_fabric.guard_rules import Metric, check_limits
from cache_fabric.life import Life
from cache_fabric.line_files import Place, Progress, opened
from cache_fabric.replay import Model, Same, ask
from cache_fabric.replay_plan import Plan
from cache_fabric.validation import check_id, check_key, check_label
from cache_fabric.version_records import DatasetSummary, LabelGuard, ReplayReport, VersionScore

__all__ = ["SPLIT", "JudgedContextMethods", "called", "plan_replay"]

T = TypeVar("T")
SPLIT = {"train": 0.8, "test": 0.2}


class JudgedContextMethods:
    """Scores, label guards, datasets and replays."""

    config: FabricConfig

    def _life(self) -> Life:
        raise AssertionError("the facade provides it")

    async def _run(self, call: Callable[[Life], Coroutine[Any, Any, T]]) -> T:
        raise AssertionError("the facade provides it")

    async def feedback_summary(
        self,
        context_key: str,
        *,
        tenant: str | None = None,
        since: datetime | float | None = None,
    ) -> list[VersionScore]:
        """Return what feedback says of each version of a context, newest version first.

        Counts the feedback on runs that said which version they used, but not on runs of tenants
        and users that have a context of their own under this key.

        Args:
            context_key: Of the context.
            tenant: Only of runs of this tenant; its own context where it has one.
            since: Only what was said from then on, as an aware datetime or seconds since the epoch.
        """
        begin = seconds_of(since, "since")
        return await self._run(lambda life: life.scores.summary(context_key, tenant, begin))

    async def guard_label(
        self,
        key: str,
        label: str,
        *,
        metric: Metric = "score",
        window: float = 3600.0,
        minimum: int = 20,
        bound: float = 0.7,
        dry_run: bool = True,
        tenant: str | None = None,
    ) -> LabelGuard:
        """Let a label go back to its version before when feedback on its version is bad.

        Looked at after every feedback. When at least ``minimum`` trusted feedbacks of the last
        ``window`` seconds, given since the label moved to its version, come to less than ``bound``,
        the label moves to the version that the change log names before, with a message that says
        why. It moves once: the guard then rests until the label points at a version that it has not
        moved it from or to, or until it is set again. Whoever moves the label meanwhile has the
        last word, and where the log no longer tells what was before, nothing moves.

        Args:
            key: Of the context.
            label: Its label; also a protected one.
            metric: ``score`` for the mean score, ``good`` for the share of good among good and bad.
            window: Seconds.
            minimum: Feedbacks that are needed, 1 to 1,000.
            bound: From 0 to 1.
            dry_run: Only note what it would do, in ``label_guards()[...].fired``.
            tenant: Whose context it is; none for everybody's.

        Raises:
            ValidationError: One of them is not what it has to be.
            NotFound: There is no such context or label.
        """
        check_limits(metric, window, minimum, bound)
        guard = LabelGuard(
            key=check_key(key),
            label=check_label(label),
            tenant=None if tenant is None else check_id(tenant, "tenant"),
            metric=metric,
            window=float(window),
            minimum=minimum,
            bound=float(bound),
            dry_run=dry_run,
            since=datetime.now(UTC),
        )
        return await self._run(lambda life: life.label_guards.put(guard))

    async def label_guards(self) -> list[LabelGuard]:
        """Return every guard with what it did last."""
        return await self._run(lambda life: life.label_guards.all())

    async def unguard_label(self, key: str, label: str, *, tenant: str | None = None) -> bool:
        """Take the guard of a label away; returns whether there was one."""
        return await self._run(lambda life: life.label_guards.remove(key, label, tenant))

    async def build_dataset(
        self,
        path_or_file: Place,
        *,
        graph: str | None = None,
        context: str | None = None,
        tenant: str | None = None,
        verdict: str | None = None,
        split: Mapping[str, float] = SPLIT,
        progress: Progress | None = None,
    ) -> DatasetSummary:
        """Write judged runs as examples, one a line of JSON, those judged last first.

        ``expected`` is the newest correction of a run, else what a feedback expected, else the
        output where it was good; a run without one is left out and counted. ``split`` depends on
        the input alone, so the same input is never in two of them, and the same feedback gives the
        same bytes. The other fields: input, actual, score, label, comment, execution_id, graph,
        contexts, expected_from, and version (of the format).

        Args:
            path_or_file: Where to: a path, or an open file of text or bytes.
            graph, tenant: Of the runs.
            context: That they used, as ``key`` or ``key@version``.
            verdict: ``good`` or ``bad``, of all feedback on a run together; bad wins.
            split: Shares by name.
            progress: Is called with how many feedbacks were read, of how many.

        Raises:
            ValidationError: One of them is not what it has to be.
            OSError: The file cannot be written.
        """
        wanted = Wanted(graph=graph, context=context, tenant=tenant, verdict=verdict)
        shares = check_split(split)
        total = await self._run(lambda life: life.datasets.count(wanted))
        with opened(path_or_file, "wb") as file:
            return await write(
                file,
                lambda cursor: self._run(lambda life: life.datasets.page(wanted, shares, cursor)),
                total,
                progress,
            )

    async def replay(
        self,
        *,
        context: str,
        version: int | str,
        model: Model | None = None,
        limit: int = 100,
        same: Same | None = None,
        carry_over: bool = False,
        dry_run: bool = False,
        concurrency: int = 4,
        tenant: str | None = None,
        progress: Progress | None = None,
    ) -> ReplayReport:
        """Ask what the newest runs of a context were asked again, under another version of it.

        Each of their answers is asked for once, with the version's text in place of the one that it
        was given under; no row is an exception. Prose counts as unchanged where it means the same
        and the guard finds no other number, name or negation in it; what cannot be told has
        changed. Answers that were given under filled-in variables cannot be asked for again.

        Args:
            context: Key of the context.
            version: The candidate, by number or label.
            model: Answers a request, with text, plain data or an `Answer`, or one of them and its
                `Usage`. Called where this is: on the running loop, or with ``fabric.sync`` in this
                thread, one after another.
            limit: Runs that used another behaviour and are looked at, 1 to 10,000.
            same: Compares the texts of both answers, in place of ours; also called here.
            carry_over: Keep unchanged answers under the version's behaviour too: they expire when
                they would have expired, and ``entry.origin`` says what they come from.
            dry_run: Ask nobody, and report what would be asked.
            concurrency: Calls of the model at a time.
            tenant: Only runs of this tenant; its own context where it has one.
            progress: Is called with how many answers were asked for, of how many.

        Raises:
            ValidationError: One of them is not what it has to be.
            NotFound: There is no such context, version or label.
            BackendError: Store or embedder failed.
        """
        plan = await self._run(lambda life: plan_replay(life, context, version, tenant, limit))
        if dry_run:
            return self._life().replays.planned(plan)
        answers = await ask(
            list(plan.cases()), called(model), same, concurrency, progress, self.config
        )
        return await self._run(
            lambda life: life.replays.judge(plan, answers, carry_over=carry_over)
        )


def called(model: Model | None) -> Model:
    """Return the model, or raise `ValidationError` where there is none."""
    if not callable(model):
        raise ValidationError("model", f"expected a function, got {type(model).__name__}")
    return model


async def plan_replay(
    life: Life, context: str, version: int | str, tenant: str | None, limit: int
) -> Plan:
    """Plan a replay, over the runs and answers of just now as well; see `replay`."""
    await life.write_now()
    return await life.replays.plans.make(context, version, tenant, limit)
