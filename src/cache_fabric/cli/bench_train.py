"""``cache-fabric bench train``: the matcher's shipped weights, made anew."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, TaskID

from cache_fabric.cli._fabric import JsonOption, fail, print_json
from cache_fabric.errors import CacheFabricError

__all__ = ["train"]

_EMBEDDER = "wordllama"


def train(
    data: Annotated[Path, typer.Option(help="Folder with the evaluation data.")],
    output: Annotated[Path, typer.Option(help="Where the weights go.")] = Path("weights.npz"),
    leave_out: Annotated[
        str | None, typer.Option(help="A stream that must teach nothing, for a fair test on it.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Train the matcher on the streams whose licence allows its weights to be shipped."""
    from cache_fabric.bench.quality.vectors import embed_stream
    from cache_fabric.bench.train import SOURCES, lessons_of, own_lessons, train
    from cache_fabric.drivers import make_embedder
    from cache_fabric.matcher.weights import write_weights

    if leave_out is not None and leave_out not in SOURCES:
        fail(f"--leave-out: expected one of {', '.join(SOURCES)}, got {leave_out}")
    lessons = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for name in (name for name in SOURCES if name != leave_out):
            path = data / "open" / f"{name}.jsonl.gz"
            if not path.is_file():
                fail(f"--data: {path} is not there")
            task = progress.add_task(name, total=None)
            lessons.append(
                lessons_of(
                    path,
                    lambda texts: embed_stream(_EMBEDDER, texts),
                    functools.partial(_tell, progress, task),
                )
            )
        lessons.append(own_lessons(lambda texts: embed_stream(_EMBEDDER, texts)))
        progress.add_task("learning", total=None)
        try:
            weights = train(lessons, make_embedder(_EMBEDDER).identity)
            with output.open("wb") as file:
                write_weights(file, weights)
        except (CacheFabricError, OSError) as error:
            fail(str(error))
    labels = sum(len(lesson.right) for lesson in lessons)
    if json:
        print_json({"output": str(output), "labels": labels, "embedder": weights.embedder})
    else:
        Console().print(f"{output}: learned from {labels:,} labels for {weights.embedder}")


def _tell(progress: Progress, task: TaskID, done: int, of: int) -> None:
    progress.update(task, completed=done, total=of)
