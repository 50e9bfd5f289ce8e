"""``cache-fabric doctor``: does everything work here, and what to do where it does not."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cache_fabric.cli._fabric import FabricOption, JsonOption, named_fabric, print_json
from cache_fabric.errors import CacheFabricError
from cache_fabric.fabric import CacheFabric

__all__ = ["doctor"]

_PACKAGES = {  # distribution: the extra that installs it
    "langchain-core": "langchain",
    "litellm": "litellm",
    "chromadb": "chroma",
    "redis": "redis",
    "wordllama": "embed",
    "onnxruntime": "onnx",
    "tiktoken": "tokens",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: ``ok`` is None for what is merely absent."""

    check: str
    ok: bool | None
    detail: str


def doctor(fabric: FabricOption = None, json: JsonOption = False) -> None:
    """Check the installation, the backends and the embedder; exit code 1 if one does not work."""
    findings = [Finding("python", True, platform.python_version()), *_packages()]
    findings += _fabric(fabric)
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        _show(findings)
    if any(finding.ok is False for finding in findings):
        raise typer.Exit(1)


def _packages() -> list[Finding]:
    found = []
    for package, extra in _PACKAGES.items():
        try:
            found.append(Finding(package, True, version(package)))
        except PackageNotFoundError:
            cure = f"not installed: pip install 'cache-fabric[{extra}]'"
            found.append(Finding(package, None, cure))
    return found


def _fabric(where: str | None) -> list[Finding]:
    try:
        fabric = named_fabric(where)
    except CacheFabricError as error:
        return [Finding("configuration", False, str(error))]
    try:
        return [
            _checked("store", lambda: _store(fabric)),
            _checked("index and embedder", lambda: _index(fabric)),
            _checked("meaning", lambda: _meaning(fabric)),
        ]
    finally:
        fabric.sync.close()


def _checked(check: str, run: Callable[[], str]) -> Finding:
    try:
        return Finding(check, True, run())
    except CacheFabricError as error:
        return Finding(check, False, str(error))


def _store(fabric: CacheFabric) -> str:
    kept = fabric.sync.inspect()
    return f"{sum(kept.answers.values()):,} answers, {kept.contexts:,} contexts"


def _index(fabric: CacheFabric) -> str:
    fabric.sync.open()
    return f"namespace {fabric.config.namespace!r}, policy {fabric.policy.name}"


def _meaning(fabric: CacheFabric) -> str:
    near = fabric.sync.similarity("How do I return a shoe?", "How can I return a shoe?")
    far = fabric.sync.similarity("How do I return a shoe?", "What is the capital of Peru?")
    if near <= far:
        raise CacheFabricError("the embedder finds a paraphrase less similar than a new question")
    return f"a paraphrase {near:.2f}, another question {far:.2f}"


def _show(findings: list[Finding]) -> None:
    signs = {True: "[green]ok[/]", False: "[red]fails[/]", None: "[dim]absent[/]"}
    table = Table(title="Cache Fabric doctor", title_justify="left")
    for column in ("check", "", "detail"):
        table.add_column(column)
    for finding in findings:
        table.add_row(finding.check, signs[finding.ok], escape(finding.detail))
    Console().print(table)
