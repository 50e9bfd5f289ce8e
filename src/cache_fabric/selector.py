"""Which answers are meant: by entry, context, tenant, tag or model; all that is named must fit."""

from __future__ import annotations

from dataclasses import dataclass, fields

from cache_fabric.errors import ValidationError
from cache_fabric.scopes import SEPARATOR
from cache_fabric.types import CacheEntry
from cache_fabric.validation import check_key

__all__ = ["Retirements", "Selector"]

_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """What an answer must have; a selector that names nothing means every answer.

    Args:
        entry: Id of one answer.
        context: Key of a context that stood for a system message of the call, in any scope.
        tenant, tag, model: As the request named them.

    Raises:
        ValidationError: A value is no name; the message says which.
    """

    entry: str | None = None
    context: str | None = None
    tenant: str | None = None
    tag: str | None = None
    model: str | None = None

    def __post_init__(self) -> None:
        for name, value in self.named().items():
            check_key(value, name)

    def named(self) -> dict[str, str]:
        """Return what is asked for by name."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def require_one(self) -> None:
        """Raise `ValidationError` when nothing is named: then everything would be meant."""
        if not self.named():
            choices = ", ".join(f.name for f in fields(self))
            raise ValidationError("invalidate", f"expected at least one of {choices}")

    def matches(self, entry: CacheEntry) -> bool:
        """Return whether an answer is meant."""
        return (
            self.entry in (None, entry.id)
            and self.tenant in (None, entry.tenant)
            and self.model in (None, entry.model)
            and (self.tag is None or self.tag in entry.tags)
            and (self.context is None or self.context in map(_key, entry.contexts))
        )


def _key(context: tuple[str, int]) -> str:
    return context[0].rpartition(SEPARATOR)[2]


class Retirements:
    """What was retired last, so that an answer which was begun before is not kept after it.

    Written on the home loop, read from any thread: the tuple is replaced, never changed.
    """

    def __init__(self) -> None:
        self._latest: tuple[tuple[float, Selector], ...] = ()

    def add(self, selector: Selector, at: float) -> None:
        """Remember a selector and the monotonic seconds when it was applied."""
        others = [item for item in self._latest if item[1] != selector]
        self._latest = ((at, selector), *others[: _REMEMBERED - 1])

    def cover(self, entry: CacheEntry, begun: float) -> bool:
        """Return whether an answer begun at some monotonic seconds has been retired since."""
        return any(begun < at and selector.matches(entry) for at, selector in self._latest)
