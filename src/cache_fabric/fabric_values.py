"""The facade's methods on values that hosts keep beside the answers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from cache_fabric.life import Life
from cache_fabric.validation import check_ttl

__all__ = ["ValueMethods"]

T = TypeVar("T")


class ValueMethods:
    """Plain data by name, for what is found by its key alone: vectors, results of a node."""

    def _life(self) -> Life:
        raise AssertionError("the facade provides it")

    async def _run(self, call: Callable[[Life], Coroutine[Any, Any, T]]) -> T:
        raise AssertionError("the facade provides it")

    async def lookup_values(self, kind: str, whose: Any, names: Sequence[str]) -> list[Any | None]:
        """Return a private copy of each value, in the order of the names, ``None`` for a miss.

        A fault of the store is a counted miss of what it had not answered by then.

        Args:
            kind: What the values are, as metrics name them.
            whose: Plain data that says what made them; values of two makers never meet. A tuple
                goes from the whole to its parts, for `clear_values`.
            names: Texts, compared byte for byte.

        Raises `NotCacheable` where ``whose`` is not plain data.
        """
        values = self._life().values
        keys = values.keys(kind, whose, names)
        found, degraded = await self._run(lambda life: life.values.find(keys))
        return values.read(kind, keys, found, degraded)

    def store_values(
        self, kind: str, whose: Any, values: Mapping[str, Any], *, ttl: float | None = None
    ) -> None:
        """Keep values by name; the same method in both colours.

        They can be looked up at once and are written behind. They have ``max_entries`` and
        ``max_bytes`` for themselves.

        Args:
            kind, whose: As in `lookup_values`.
            values: Plain data by name.
            ttl: Seconds that they may be served, ``None`` for ever.

        Raises `NotCacheable` for what is not plain data, `ValidationError` for the ``ttl``.
        """
        life = self._life()
        writes = life.values.pack(kind, whose, values, check_ttl(ttl))
        life.portal.post(life.values.put, writes)

    async def clear_values(self, kind: str, whose: Any = ()) -> int:
        """Forget the values of a maker, and return how many the store held.

        ``whose`` as in `lookup_values`, or the beginning of such a tuple: everything below it.
        Raises `BackendError` where the store failed.
        """
        return await self._run(lambda life: life.values.clear(kind, whose))
