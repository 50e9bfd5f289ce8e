"""The facade's methods on what becomes of single answers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from cache_fabric.errors import ValidationError
from cache_fabric.life import Life
from cache_fabric.validation import check_id
from cache_fabric.votes import Effect

__all__ = ["VerdictMethods"]

_LONGEST_REASON = 1_000
T = TypeVar("T")


class VerdictMethods:
    """Take answers back reversibly, bring them back, and pin them."""

    async def _run(self, call: Callable[[Life], Coroutine[Any, Any, T]]) -> T:
        raise AssertionError("the facade provides it")

    async def retire_answer(self, entry_id: str, *, by: str | None = None, why: str = "") -> Effect:
        """Quarantine an answer: no process serves it any more; `restore_answer` brings it back.

        ``by`` and ``why`` (at most 1,000 characters) go into its history. Raises `NotFound` if
        nothing is known of it, `BackendError` where the store failed.
        """
        return await self._run(lambda life: life.verdicts.retire(entry_id, **_said(by, why)))

    async def restore_answer(
        self, entry_id: str, *, by: str | None = None, why: str = ""
    ) -> Effect:
        """Serve an answer again, with the same bytes under the same id, whatever was said of it.

        The votes so far are set aside, corrections that came with them are retired, and what its
        hits had saved is booked again. A newer answer to its question stays in its place; the
        effect says so. A pinned answer becomes an ordinary one. Raises as `retire_answer`.
        """
        return await self._run(lambda life: life.verdicts.restore(entry_id, **_said(by, why)))

    async def pin_answer(
        self,
        entry_id: str,
        *,
        answer: str | None = None,
        by: str | None = None,
        why: str = "",
    ) -> Effect:
        """Serve an answer for ever: it neither expires nor is evicted nor answered anew.

        Args:
            entry_id: Of the answer.
            answer: Serve these words in its place, in the form that its host reads; the answer
                itself is retired.
            by: Who.
            why: In their words.

        Returns:
            The effect, with the id of the pinned answer.

        Raises:
            NotFound: The answer is not kept any more.
            ValidationError: Its form cannot take a text alone (a call of a tool), or 5,000 answers
                or 64 MiB of them are pinned already.
            BackendError: The store failed.
        """
        return await self._run(
            lambda life: life.verdicts.pin(entry_id, answer=answer, **_said(by, why))
        )


def _said(by: str | None, why: str) -> dict[str, str]:
    if by is not None:
        check_id(by, "by")
    given: object = why
    if not isinstance(given, str) or len(given) > _LONGEST_REASON:
        raise ValidationError("why", f"expected at most {_LONGEST_REASON:,} characters of text")
    return {"by": by or "", "why": why}
