"""The facade's methods on feedback."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from typing import Any, TypeVar

from cache_fabric.feedback_files import export
from cache_fabric.feedback_form import feedback_query
from cache_fabric.life import Life
from cache_fabric.line_files import Place, Progress
from cache_fabric.records import Feedback, Page

__all__ = ["FeedbackMethods"]

T = TypeVar("T")


class FeedbackMethods:
    """Keep what people and judges say of runs."""

    def _life(self) -> Life:
        raise AssertionError("the facade provides it")

    async def _run(self, call: Callable[[Life], Coroutine[Any, Any, T]]) -> T:
        raise AssertionError("the facade provides it")

    async def record_feedback(
        self,
        execution_id: str,
        feedback: Mapping[str, Any],
        *,
        trusted: bool = True,
        allow_unknown: bool = False,
    ) -> Feedback:
        """Keep what somebody said of a run, and act on it; returns what it did to the answers.

        ``feedback`` is a free dictionary. Known in it are ``user_rating`` (1 to 5), ``status``,
        ``label``, ``match``, ``classification`` and ``expected``, ``score`` (0 to 1), ``comment``,
        ``correction`` (the right answer), ``name``, ``annotator`` (HUMAN, LLM or CODE) and
        ``annotator_id``; see `cache_fabric.feedback_rules.read_feedback` for what they say. Bad
        feedback takes the answers of the run out of service in every process; a correction of a
        run with one answer takes its place.

        The same name and annotator replace what they said of the run before. A remark, which says
        nothing of how good the answer was (a comment after a thumb down), is added to it instead.

        Args:
            execution_id: Of a tracked run.
            feedback: What is said of it.
            trusted: Whether it may act alone. What strangers send is not trusted: it acts when
                several annotators agree. Never read from ``feedback``.
            allow_unknown: Keep it although nothing is known of the run. It acts on nothing, also
                when the run is tracked later: then the run shows it, and it acts when it is
                recorded again.

        Raises:
            ValidationError: A field is wrong; the message names it.
            NotFound: Nothing is known of the run.
            BackendError: The store failed; recording it again is safe.
        """

        async def record(life: Life) -> Feedback:
            await life.tracking.queue.write_now()  # a run that was handed in just now is known
            kept = await life.feedback.record(
                execution_id, feedback, trusted=trusted, allow_unknown=allow_unknown
            )
            await life.label_guards.heard(kept)
            return kept

        return await self._run(record)

    async def list_feedback(
        self,
        execution_id: str | None = None,
        *,
        context: str | None = None,
        verdict: str | None = None,
        annotator: str | None = None,
        tenant: str | None = None,
        user: str | None = None,
        since: datetime | float | None = None,
        until: datetime | float | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Feedback]:
        """Return what was said, newest first; all that is named must hold.

        Args:
            execution_id: Of this run.
            context: Of runs that used this context, as ``key`` or ``key@version``.
            verdict: ``good``, ``bad`` or ``none``.
            annotator: ``HUMAN``, ``LLM`` or ``CODE``, or the id of one.
            tenant, user: Whose run it was.
            since, until: ``since <= timestamp < until``; aware datetimes or seconds of the epoch.
            limit: Most in a page.
            cursor: Of the page before.

        Raises:
            ValidationError: One of them is not what it has to be.
        """
        query = feedback_query(
            execution=execution_id,
            context=context,
            verdict=verdict,
            annotator=annotator,
            tenant=tenant,
            user=user,
            since=since,
            until=until,
        )
        return await self._run(lambda life: life.feedback.kept.find(query, limit, cursor))

    async def export_feedback(
        self,
        place: Place,
        *,
        progress: Progress | None = None,
        context: str | None = None,
        verdict: str | None = None,
        annotator: str | None = None,
        tenant: str | None = None,
        user: str | None = None,
        since: datetime | float | None = None,
        until: datetime | float | None = None,
    ) -> int:
        """Write what was said as JSON lines, newest first; returns how many lines.

        The arguments are those of `list_feedback`; ``progress`` is called with how many lines are
        written, of how many.
        """
        query = feedback_query(
            context=context,
            verdict=verdict,
            annotator=annotator,
            tenant=tenant,
            user=user,
            since=since,
            until=until,
        )
        return await self._run(lambda life: export(life.feedback.kept, query, place, progress))
