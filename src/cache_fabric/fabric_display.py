"""What a notebook shows of the fabric itself, and the dashboard in it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cache_fabric.config import FabricConfig
from cache_fabric.errors import MissingExtraError
from cache_fabric.instrumentation.headline import headline
from cache_fabric.instrumentation.metrics import Metrics, figures
from cache_fabric.life import Life
from cache_fabric.policy.base import Policy
from cache_fabric.policy.verified import Verified
from cache_fabric.viewed import html_table

__all__ = ["DisplayMethods"]

_PAGE = "cache_fabric.web.inline"  # above the facade, so it is named and not imported
_SHOWN = ("requests", "hit rate", "average latency", "cost saved")


class DisplayMethods:
    """The fabric at a glance: of what is known in this process, so that nothing is waited for."""

    config: FabricConfig
    policy: Policy
    _metrics: Metrics
    _page: Any = None

    def _life(self) -> Life:
        raise AssertionError("the facade provides it")

    def ui(self, *, height: int = 720, host: str = "localhost", port: int = 0) -> Any:
        """Return the dashboard as a notebook shows it, in a frame; the same in both colours.

        It is served on loopback until the fabric is closed, once for all calls. Its address holds a
        token, made for this server, and is kept in the notebook's output if that is saved.

        Args:
            height: Pixels.
            host: Name under which the notebook is open in the browser: ``localhost`` or
                ``127.0.0.1``.
            port: To listen on; 0 for one that is free. The first call decides.

        Raises:
            MissingExtraError: The web server is not installed.
            ConfigurationError: Nobody may listen on that port.
        """
        if self._page is None:
            try:
                self._page = import_module(_PAGE).Inline(self, port)
            except ModuleNotFoundError as error:
                raise MissingExtraError("ui", "fabric.ui") from error
        return self._page.frame(host, height)

    def _stop_page(self) -> None:
        page, self._page = self._page, None
        if page is not None:
            page.stop()

    def _repr_html_(self) -> str:
        parts = self._life().parts
        told = dict(headline(figures(self._metrics.totals())))
        rows = [
            *((label, told[label]) for label in _SHOWN),
            ("policy", _told(self.policy)),
            ("store", type(parts.store).__name__),
            ("index", type(parts.index).__name__),
            ("embedder", parts.embedder.identity),
            ("namespace", self.config.namespace),
        ]
        return html_table("Cache Fabric, this process alone", rows)


def _told(policy: Policy) -> str:
    name = type(policy).__name__
    if isinstance(policy, Verified):
        return f"{name}: at most {policy.max_error:.2%} of all requests answered wrongly"
    return name
