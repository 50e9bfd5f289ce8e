"""The blocking view of the methods on judged contexts; `JudgedContextMethods` documents them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from cache_fabric.fabric_judged_contexts import SPLIT, called, plan_replay
from cache_fabric.guard_rules import Metric
from cache_fabric.line_files import Place, Progress
from cache_fabric.replay import Model, Same, ask_in_turn
from cache_fabric.sync_view import SyncView
from cache_fabric.version_records import DatasetSummary, LabelGuard, ReplayReport, VersionScore

__all__ = ["SyncJudgedContextMethods"]


class SyncJudgedContextMethods(SyncView):
    """Scores, label guards, datasets and replays, blocking."""

    def feedback_summary(
        self,
        context_key: str,
        *,
        tenant: str | None = None,
        since: datetime | float | None = None,
    ) -> list[VersionScore]:
        return self._call(
            lambda: self._fabric.feedback_summary(context_key, tenant=tenant, since=since)
        )

    def guard_label(
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
        return self._call(
            lambda: self._fabric.guard_label(
                key,
                label,
                metric=metric,
                window=window,
                minimum=minimum,
                bound=bound,
                dry_run=dry_run,
                tenant=tenant,
            )
        )

    def label_guards(self) -> list[LabelGuard]:
        return self._call(self._fabric.label_guards)

    def unguard_label(self, key: str, label: str, *, tenant: str | None = None) -> bool:
        return self._call(lambda: self._fabric.unguard_label(key, label, tenant=tenant))

    def build_dataset(
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
        return self._call(
            lambda: self._fabric.build_dataset(
                path_or_file,
                graph=graph,
                context=context,
                tenant=tenant,
                verdict=verdict,
                split=split,
                progress=progress,
            )
        )

    def replay(
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
        fabric, replays = self._fabric, self._fabric._life().replays
        plan = self._call(
            lambda: fabric._run(lambda life: plan_replay(life, context, version, tenant, limit))
        )
        if dry_run:
            return replays.planned(plan)
        answers = ask_in_turn(list(plan.cases()), called(model), same, progress, fabric.config)
        return self._call(lambda: replays.judge(plan, answers, carry_over=carry_over))
