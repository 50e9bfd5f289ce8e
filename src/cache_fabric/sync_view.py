"""What every blocking view of a fabric's methods stands on."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from cache_fabric.fabric import CacheFabric

__all__ = ["SyncView"]

T = TypeVar("T")


class SyncView:
    """Runs a method of the fabric to its end."""

    def __init__(self, fabric: CacheFabric) -> None:
        self._fabric = fabric

    def _call(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return self._fabric._life().portal.call(call)

    def ui(self, *, height: int = 720, host: str = "localhost", port: int = 0) -> Any:
        return self._fabric.ui(height=height, host=host, port=port)

    def _repr_html_(self) -> str:
        return self._fabric._repr_html_()
