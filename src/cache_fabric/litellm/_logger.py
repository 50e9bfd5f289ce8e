"""LiteLLM's events: how each call ended. LiteLLM calls them by keyword."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from litellm.integrations.custom_logger import CustomLogger

from cache_fabric.litellm._desk import Desk

__all__ = ["FabricLogger"]


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
        pass

    async def async_log_success_event(
        self, kwargs: Any, response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        pass

    def log_failure_event(
        self, kwargs: Any, response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        self._desk.fail(kwargs.get("litellm_call_id"))

    async def async_log_failure_event(
        self, kwargs: Any, response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        self._desk.fail(kwargs.get("litellm_call_id"))
