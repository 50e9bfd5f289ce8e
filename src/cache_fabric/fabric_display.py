"""What a notebook shows of the fabric itself."""

from __future__ import annotations

from cache_fabric.config import FabricConfig
from cache_fabric.instrumentation.headline import headline
from cache_fabric.instrumentation.metrics import Metrics, figures
from cache_fabric.life import Life
from cache_fabric.policy.base import Policy
from cache_fabric.policy.verified import Verified
from cache_fabric.viewed import html_table

__all__ = ["DisplayMethods"]

_SHOWN = ("requests", "hit rate", "average latency", "cost saved")


class DisplayMethods:
    """The fabric at a glance: of what is known in this process, so that nothing is waited for."""

    config: FabricConfig
    policy: Policy
    _metrics: Metrics

    def _life(self) -> Life:
        raise AssertionError("the facade provides it")

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
