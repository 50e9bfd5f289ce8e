"""LiteLLM's events: how each call ended. LiteLLM calls them by keyword."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from litellm.integrations.custom_logger import CustomLogger

from cache_fabric.litellm._desk import Desk, told_in
from cache_fabric.litellm._executions import execution_state, execution_tags
from cache_fabric.litellm._tenants import call_id_of

__all__ = ["FabricLogger"]

_TRACKED = frozenset(
    {
        *("completion", "acompletion", "text_completion", "atext_completion"),
        *("responses", "aresponses", "anthropic_messages"),
    }
)
_GRAPH = "litellm"


class FabricLogger(CustomLogger):
    """Ends what a call leads when it failed, and tracks calls as executions.

    Args:
        desk: Of the installation.
        track: Whether to track.
    """

    def __init__(self, desk: Desk, *, track: bool) -> None:
        super().__init__()
        self._desk = desk
        self._track = track

    def log_success_event(
        self, kwargs: Any, response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        self._tracked(kwargs, response_obj, (start_time, end_time))

    async def async_log_success_event(
        self, kwargs: Any, response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        self._tracked(kwargs, response_obj, (start_time, end_time))

    def log_failure_event(
        self, kwargs: Any, response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        self._desk.fail(call_id_of(kwargs))
        self._tracked(kwargs, None, (start_time, end_time))

    async def async_log_failure_event(
        self, kwargs: Any, response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        self._desk.fail(call_id_of(kwargs))
        self._tracked(kwargs, None, (start_time, end_time))

    def _tracked(
        self, kwargs: Mapping[str, Any], response: Any, times: tuple[datetime, datetime]
    ) -> None:
        if not self._track or kwargs.get("call_type") not in _TRACKED:
            return
        with self._desk.harmless(kwargs, counts_bypass=False):
            fabric = self._desk.terms.fabric
            state = execution_state(kwargs, response, times, fabric.prices, told_in(kwargs))
            told = kwargs.get("litellm_params") or {}
            about = {name: told.get(name) for name in ("metadata", "litellm_metadata")}
            tenant, user = self._desk.terms.whose({**kwargs, **about})
            fabric.track_soon(
                call_id_of(kwargs),
                _GRAPH,
                state,
                tags=execution_tags(kwargs),
                tenant=tenant,
                user=user,
            )
