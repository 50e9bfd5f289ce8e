"""The facade's methods on feedback."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from cache_fabric.life import Life
from cache_fabric.records import Feedback

__all__ = ["FeedbackMethods"]

T = TypeVar("T")


class FeedbackMethods:
    """Keep what people and judges say of runs."""

    def _life(self) -> Life:
        raise AssertionError("the facade provides it")

    async def _run(self, call: Callable[[Life], Coroutine[Any, Any, T]]) -> T:
        raise AssertionError("the facade provides it")

    async def record_feedback(self, execution_id: str, feedback: Mapping[str, Any]) -> Feedback:
        """Keep what somebody said of a run; raises `NotFound` for an unknown id."""

        async def record(life: Life) -> Feedback:
            await life.tracked.flush()
            return await life.executions.record_feedback(execution_id, feedback)

        return await self._run(record)
