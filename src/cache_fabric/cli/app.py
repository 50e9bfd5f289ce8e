"""The commands by name; each lives in its own module."""

from __future__ import annotations

import typer

from cache_fabric.cli import (
    answers,
    bench,
    context_scores,
    contexts,
    demo,
    doctor,
    erase,
    executions,
    feedback,
    manifests,
    reindex,
    replays,
    serve,
    stats,
    tune,
)

__all__ = ["main"]

app = typer.Typer(
    name="cache-fabric",
    help="The drop-in semantic cache for LLM calls.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(demo.demo)
app.command()(stats.stats)
app.command()(doctor.doctor)
app.command()(reindex.reindex)
app.command()(erase.erase)
app.command()(tune.tune)
app.command()(serve.serve)
app.command("compile")(manifests.compile_to_fabric)
app.add_typer(bench.app, name="bench")
app.add_typer(answers.app, name="answers")
app.add_typer(contexts.app, name="contexts")
context_scores.add_to(contexts.app)
app.add_typer(executions.app, name="executions")
replays.add_to(executions.app)
app.add_typer(feedback.app, name="feedback")


def main() -> None:
    """Run the command line."""
    app()
