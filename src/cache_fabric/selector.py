"""Which answers are meant: by entry, context, tenant, user, tag or model; all named must fit."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field, fields, replace

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
        tenant, user, tag, model: As the request named them.
        secret: Where it is given, tenant and user are what `veiled` made of the names.

    Raises:
        ValidationError: A value is no name; the message says which.
    """

    entry: str | None = None
    context: str | None = None
    tenant: str | None = None
    user: str | None = None
    tag: str | None = None
    model: str | None = None
    secret: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name, value in self.named().items():
            check_key(value, name)

    def named(self) -> dict[str, str]:
        """Return what is asked for by name."""
        values = {name: getattr(self, name) for name in _NAMES}
        return {name: value for name, value in values.items() if value is not None}

    def veiled(self, secret: bytes) -> Selector:
        """Return the same selector without a name of a person in it: a keyed hash stands for it.

        What other processes are told of stays in the change log, after the answers are gone.
        """
        marks = {
            name: _mark(secret, name, value)
            for name, value in self.named().items()
            if name in _PERSONAL
        }
        return replace(self, secret=secret, **marks)

    def require_one(self) -> None:
        """Raise `ValidationError` when nothing is named: then everything would be meant."""
        if not self.named():
            choices = ", ".join(_NAMES)
            raise ValidationError("invalidate", f"expected at least one of {choices}")

    def matches(self, entry: CacheEntry) -> bool:
        """Return whether an answer is meant."""
        return (
            self.entry in (None, entry.id)
            and self.model in (None, entry.model)
            and (self.tag is None or self.tag in entry.tags)
            and (self.context is None or self.context in map(_key, entry.contexts))
            and self._is("tenant", self.tenant, entry.tenant)
            and self._is("user", self.user, entry.user)
        )

    def _is(self, name: str, asked: str | None, has: str | None) -> bool:
        if asked is None or has is None or self.secret is None:
            return asked in (None, has)
        return asked == _mark(self.secret, name, has)


_NAMES = tuple(f.name for f in fields(Selector) if f.name != "secret")
_PERSONAL = ("tenant", "user")


def _mark(secret: bytes, name: str, value: str) -> str:
    said = f"{name}\x00{value}".encode("utf-8", "surrogatepass")
    return hmac.digest(secret, said, "sha256").hex()


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
