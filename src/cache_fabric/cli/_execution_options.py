"""What the commands on executions share: their filters, and the fabric that they work on."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from cache_fabric.cli._fabric import fail, named_fabric
from cache_fabric.errors import CacheFabricError
from cache_fabric.fabric import CacheFabric

__all__ = ["Cursor", "ExecutionId", "Limit", "as_time", "opened_executions", "with_filters"]

ExecutionId = Annotated[str, typer.Argument(metavar="ID", show_default=False)]
Limit = Annotated[int, typer.Option(help="Most executions that are shown.")]
Cursor = Annotated[str | None, typer.Option(help="Go on after the page that named it.")]

_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def as_time(text: str) -> datetime:
    """Return a time: ISO 8601 (local without a zone), or so long ago."""
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return datetime.now(UTC) - timedelta(seconds=float(ago[1]) * _SECONDS[ago[2]])
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise typer.BadParameter("expected 2026-11-26T09:30, or 30s, 15m, 2h, 7d ago") from None


_TEXT = {
    "graph": "Of this graph.",
    "agent": "Of this agent.",
    "conversation": "Of this conversation or thread.",
    "status": "With this status: success, error, running ...",
    "tag": "With this tag.",
    "user": "Of this user.",
    "tenant": "Of this tenant.",
    "outcome": "Given an answer so: hit, miss or bypass.",
    "context": "Under this context, or key@version of it.",
    "feedback": "With this feedback: good, bad or none.",
}
_TIMES = {
    "since": "From this time on: ISO 8601, or 30s, 15m, 2h, 7d ago.",
    "until": "Before this time.",
}
_NUMBERS = {
    "min_cost": "Of at least so many dollars.",
    "max_cost": "Of at most so many dollars.",
    "min_score": "With a mean score of at least this, 0 to 1.",
    "max_score": "With a mean score of at most this.",
}


def _option(name: str, kind: Any, more: typer.models.OptionInfo) -> inspect.Parameter:
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, more],
    )


_FILTERS = (
    *(_option(name, str, typer.Option(help=said)) for name, said in _TEXT.items()),
    *(
        _option(name, datetime, typer.Option(help=said, parser=as_time, metavar="TIME"))
        for name, said in _TIMES.items()
    ),
    *(_option(name, float, typer.Option(help=said)) for name, said in _NUMBERS.items()),
)


def with_filters(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `search_executions`; it takes those given as ``filters``."""

    @functools.wraps(command)
    def filtered(**given: Any) -> None:
        filters = {p.name: given.pop(p.name) for p in _FILTERS}
        command(**given, filters={n: v for n, v in filters.items() if v is not None})

    own = inspect.signature(command, eval_str=True).parameters.values()
    parameters = [
        *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own if p.name != "filters"),
        *_FILTERS,
    ]
    filtered.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    filtered.__annotations__ = {p.name: p.annotation for p in parameters}
    return filtered


@contextmanager
def opened_executions(where: str | None, *, by_meaning: bool = False) -> Iterator[CacheFabric]:
    """Yield a fabric, closed at the end; an error of it ends the command with its message.

    Args:
        where: As of every command.
        by_meaning: Whether the index is needed; opening Chroma takes a second.
    """
    try:
        fabric = named_fabric(where, index=None if by_meaning else "memory")
        try:
            yield fabric
        finally:
            fabric.sync.close()
    except CacheFabricError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or 'the file'}: {error.strerror}")
