"""What every host shares: its terms, where it fails open, and the mark of a hit."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from cache_fabric.errors import NotCacheable, ValidationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.options import CacheOptions
from cache_fabric.types import Bypass, Hit
from cache_fabric.validation import check_id

__all__ = ["FailOpen", "Seam", "Unread", "check_terms", "mark_of"]

_log = logging.getLogger("cache_fabric")


def mark_of(hit: Hit) -> dict[str, Any]:
    """Return where a hit came from: plain data for ``generation_info`` and response metadata."""
    entry = hit.entry
    mark = {
        "tier": hit.tier,
        "similarity": hit.similarity,
        "entry_id": entry.id,
        "age": entry.age(),
        "saved_cost": None if hit.saved_micros is None else hit.saved_micros / 1e6,
    }
    if hit.stale:
        mark["stale"] = True
    return mark


def check_terms(fabric: object, tenant: object, user: object, options: object) -> None:
    """Check what a host is given; a tenant or a user may be a function that is asked at each call.

    Raises:
        ValidationError: A value is not usable; the message names the argument.
    """
    if not isinstance(fabric, CacheFabric):
        raise ValidationError("fabric", f"expected a CacheFabric, got {type(fabric).__name__}")
    for name, value in (("tenant", tenant), ("user", user)):
        if value is not None and not callable(value):
            check_id(value, name)
    if not isinstance(options, CacheOptions):
        raise ValidationError("options", f"expected CacheOptions, got {type(options).__name__}")


class Seam:
    """Lets no fault of ours through: it is counted as a bypass, and logged once for its kind.

    Args:
        fabric: Counts.
    """

    def __init__(self, fabric: CacheFabric) -> None:
        self._fabric = fabric
        self._told: set[str] = set()

    def harmless(self, model: Callable[[], str], *, counts_bypass: bool = True) -> FailOpen:
        """Return the context in which an error is reported and goes no further.

        Args:
            model: Names the model, for the count; may fail.
            counts_bypass: Whether it counts as a call that the cache did not see. The second half
                of one (the update after the lookup) does not: its lookup was counted.
        """

        def report(error: Exception) -> None:
            reason = error.reason if isinstance(error, NotCacheable) else None
            if reason is None:
                kind = error.kind if isinstance(error, Unread) else type(error).__name__
                self._tell_once(kind)
                reason = f"host error: {kind}"
            if counts_bypass and not isinstance(error, Unread):
                self._count(model, reason)

        return FailOpen(report)

    @contextlib.contextmanager
    def reading(self, hit: Hit) -> Iterator[None]:
        """Within it the answer of a hit is read; one that cannot be has saved nothing.

        Raises `Unread`.
        """
        try:
            yield
        except Exception as error:
            self._fabric.unread(hit)
            raise Unread(type(error).__name__) from error

    def _count(self, model: Callable[[], str], reason: str) -> None:
        name = "unknown"
        with contextlib.suppress(Exception):
            name = model()
        with contextlib.suppress(Exception):
            self._counted(self._fabric.bypass(name, reason))

    def _counted(self, bypass: Bypass) -> None:
        """Hear of a bypass; a host may tell others."""

    def _tell_once(self, kind: str) -> None:
        if kind not in self._told:
            self._told.add(kind)
            # The message of the error may hold a prompt; its kind cannot.
            _log.warning("a model call goes on without the cache: %s", kind)


class Unread(Exception):
    """The answer of a hit could not be read, so that the model is called; it was counted."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class FailOpen:
    """A ``with`` block out of which no ``Exception`` comes: it is reported instead."""

    def __init__(self, report: Callable[[Exception], None]) -> None:
        self._report = report

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self._report(error)
        return True
