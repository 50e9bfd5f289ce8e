"""``cache-fabric demo``: the page to play on, or a batch in the terminal, counted honestly."""

from __future__ import annotations

import webbrowser
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cache_fabric.cli._demo_table import show_result
from cache_fabric.cli._fabric import JsonOption, fail, print_json
from cache_fabric.cli._litellm_model import litellm_model
from cache_fabric.demo.traffic import Question, demo_stream, labelled_stream, load_demo
from cache_fabric.errors import CacheFabricError, MissingExtraError
from cache_fabric.factory import DEFAULT_PATH, create_cache_fabric
from cache_fabric.instrumentation.figures import figures
from cache_fabric.instrumentation.metrics import Metrics

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from cache_fabric.demo.run import DemoRun, Outcome
    from cache_fabric.fabric import CacheFabric
    from cache_fabric.instrumentation.events import Event
    from cache_fabric.replay import Model

__all__ = ["demo"]

_SIMULATED_AS = "gpt-4o-mini"


def demo(
    headless: Annotated[
        bool, typer.Option("--headless", help="Run a batch in this terminal and end; no page.")
    ] = False,
    port: Annotated[
        int, typer.Option(help="Port of the page on 127.0.0.1; 0 takes a free one.", max=65535)
    ] = 8090,
    browse: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    path: Annotated[
        Path, typer.Option(help="Folder that keeps the answers; a second run starts warm.")
    ] = Path(DEFAULT_PATH),
    data: Annotated[
        Path | None, typer.Option(help="A labelled .jsonl or .jsonl.gz stream instead.")
    ] = None,
    requests: Annotated[int, typer.Option(help="How many requests; 0 for a whole file.")] = 300,
    model: Annotated[
        str | None, typer.Option(help="A real model through LiteLLM instead of the simulated one.")
    ] = None,
    latency: Annotated[float, typer.Option(help="Seconds the simulated model takes.")] = 0.15,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget earlier answers first.")] = False,
    json: JsonOption = False,
) -> None:
    """Serve a page to play on; with --headless send user questions through a chain and count."""
    if not headless:
        _page(path, model, latency, port=port, fresh=fresh, browse=browse)
        return
    try:
        import cache_fabric.langchain  # noqa: F401 - names the extra when LangChain is missing
        from cache_fabric.demo.run import DemoRun

        stream = labelled_stream(data, requests or None) if data else demo_stream(requests)
        chat, about = _model(model, stream, latency)
        events: list[Event] = []
        counted = Metrics()
        fabric = create_cache_fabric("local", path=path, hooks=[events.append, counted])
        fabric.sync.open()
    except CacheFabricError as error:
        fail(str(error))
    with fabric.sync:
        if fresh:
            fabric.sync.clear()
        kept = sum(fabric.sync.inspect().answers.values())
        outcome = _run(DemoRun(chat, fabric, events, stream), len(stream), quiet=json)
        result = _result(outcome, fabric, counted, about, kept, path)
    if json:
        print_json(result)
    else:
        show_result(result, Console())


def _page(
    path: Path, name: str | None, latency: float, *, port: int, fresh: bool, browse: bool
) -> None:
    try:
        from cache_fabric.cli._demo_page import serve_demo
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"starlette", "uvicorn"}:
            raise
        fail(str(MissingExtraError("ui", "cache-fabric demo")))
    from cache_fabric.demo.simulated import SimulatedModel
    from cache_fabric.demo.tokens import token_counter

    count, estimated = token_counter()
    model: Model = SimulatedModel(load_demo(), count, latency)
    about: dict[str, Any] = {
        "name": f"a simulated model, priced as {_SIMULATED_AS}",
        "simulated": True,
        "latency_ms": 1e3 * latency,
        "tokens_estimated": estimated,
    }
    if name is not None:
        model = litellm_model(name)
        about = {"name": name, "simulated": False}

    def tell(address: str) -> None:
        typer.echo(f"Cache Fabric: {address}\nCtrl-C ends it; answers stay in {path}.")
        if browse:
            webbrowser.open(address)

    try:
        serve_demo(path, model, about, name or _SIMULATED_AS, port=port, fresh=fresh, tell=tell)
    except CacheFabricError as error:
        fail(str(error))


def _model(
    name: str | None, stream: Sequence[Question], latency: float
) -> tuple[BaseChatModel, dict[str, Any]]:
    from cache_fabric.demo.models import LiteLLMChatModel, SimulatedChatModel
    from cache_fabric.demo.tokens import token_counter

    if name is not None:
        return LiteLLMChatModel(model=name), {"model": name, "simulated": False}
    count, estimated = token_counter()
    answers = {(q.system_prompt, q.text): q.answer for q in stream}
    chat = SimulatedChatModel(answers, count, model=_SIMULATED_AS, seconds=latency)
    return chat, {
        "model": f"simulated, priced as {_SIMULATED_AS}",
        "simulated": True,
        "simulated_latency_ms": 1e3 * latency,
        "tokens_estimated": estimated,
    }


def _run(run: DemoRun, requests: int, *, quiet: bool) -> Outcome:
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[counts]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:
        task = progress.add_task("questions", total=requests, counts="")
        for outcome in run:
            exact = outcome.hits.total() - outcome.hits["semantic"]
            counts = f"exact {exact}  semantic {outcome.hits['semantic']}"
            progress.update(task, advance=1, counts=f"{counts}  wrong {len(outcome.wrong)}")
    return run.outcome


def _result(
    outcome: Outcome,
    fabric: CacheFabric,
    counted: Metrics,
    about: dict[str, Any],
    kept: int,
    path: Path,
) -> dict[str, Any]:
    metrics = figures(counted.totals())  # of this run: the fabric's own are of all runs
    names = ("tokens_saved", "tokens_spent", "cost_saved", "cost_spent", "speedup")
    return {
        **about,
        **outcome.figures(),
        **{name: metrics[name] for name in names},
        "wrong": [asdict(wrong) for wrong in outcome.wrong],
        "answers_at_start": kept,
        "stored_in": str(path),
        "policy": fabric.policy.name,
    }
