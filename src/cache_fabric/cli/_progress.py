"""How far a command is with a file, on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cache_fabric.line_files import Progress as Told

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(what: str, *, shown: bool = True) -> Iterator[Told]:
    """Yield what is told how many are done, of how many, and shows it as a bar."""
    if not shown:
        yield lambda *_: None
        return
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None, visible=False)  # there may be nothing to count
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)
