"""Structured logging: one record per event, with plain fields, and nothing that anybody said.

Records go to a logger of the standard library, so that levels, handlers and filters are the
application's. They are made in the thread of the event, on the request path: a handler that waits
belongs behind a ``logging.handlers.QueueHandler``.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

from cache_fabric.errors import ValidationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.instrumentation.events import Event
from cache_fabric.types import Usage

__all__ = ["EventLog", "JsonFormatter", "log_events"]

_RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_SEPARATOR = "\x1f"  # of the paths of contexts, which hold the ids of tenants and users
_PLAIN = (str, int, float, bool)


def log_events(
    fabric: CacheFabric,
    logger: str | logging.Logger = "cache_fabric.events",
    level: int = logging.INFO,
    *,
    content: bool = False,
) -> EventLog:
    """Write a record of each event of a fabric, until ``fabric.remove_hook`` of what is returned.

    A record has the fields of its event as attributes: ``event`` says which one it is, ``outcome``
    what came of it, and so on (see `instrumentation.events`); what is not known is left out.

    Args:
        fabric: Is heard.
        logger: Gets the records.
        level: Of them all.
        content: Also write what was said, under ``content``: prompts, answers, comments.

    Raises:
        ValidationError: It is no fabric, no logger, or ``content`` is not a bool.
    """
    if not isinstance(fabric, CacheFabric):
        raise ValidationError("fabric", f"expected a CacheFabric, got {type(fabric).__name__}")
    if not isinstance(content, bool):  # "false" is true
        raise ValidationError("content", f"expected True or False, got {content!r:.40}")
    named: object = logging.getLogger(logger) if isinstance(logger, str) else logger
    if not isinstance(named, logging.Logger):
        kind = type(logger).__name__
        raise ValidationError("logger", f"expected a logger or its name, got {kind}")
    hook = EventLog(named, level)
    fabric.add_hook(hook, content=content)
    return hook


class EventLog:
    """A hook that writes events to a logger."""

    def __init__(self, logger: logging.Logger, level: int) -> None:
        self._logger = logger
        self._level = level

    def __call__(self, event: Event, content: Mapping[str, Any] | None = None) -> None:
        """Write the record of an event, and what was said around it if that was handed over."""
        if not self._logger.isEnabledFor(self._level):
            return
        told = _fields(event)
        if content:
            told["content"] = dict(content)
        came_of_it = told.get("outcome") or told.get("what") or told.get("verdict") or ""
        title = f"{told['event']} {came_of_it}".rstrip()
        self._logger.log(self._level, "%s", title, extra=told)


class JsonFormatter(logging.Formatter):
    """Formats any record as one line of JSON: time, level, logger, message, and its own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _RESERVED},
        }
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return json.dumps(told, default=lambda one: f"({type(one).__name__})")


def _fields(event: Event) -> dict[str, Any]:
    """Return an event as fields that a log record can have beside its own."""
    name = re.sub("Event$", "", type(event).__name__).lower()
    told: dict[str, Any] = {"event": name}
    for field, value in _plain(event):
        told[f"{name}_{field}" if field in _RESERVED else field] = value
    return told


def _plain(event: Any) -> Iterator[tuple[str, Any]]:
    own = (f.name for f in fields(event)) if is_dataclass(event) else event.__struct_fields__
    for name in own:
        value = getattr(event, name)
        if name == "contexts":
            value = [f"{key.rpartition(_SEPARATOR)[2]}@{number}" for key, number in value]
        if isinstance(value, Usage):
            yield "input_tokens", value.input_tokens
            yield "output_tokens", value.output_tokens
            yield "estimated", value.estimated
        elif isinstance(value, list | tuple):
            if value:
                yield name, list(value)
        elif isinstance(value, _PLAIN) and value != "":
            yield name, value
