"""Every notebook runs from a fresh kernel, offline, and shows what its stored outputs show."""

from __future__ import annotations

import re
import shutil
from itertools import groupby
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
DATA = sorted(FOLDER.glob("*.json"))
NOWHERE = "http://127.0.0.1:9"  # the discard port: a request that should not be made fails at once


class OwnKernel(AsyncKernelManager):
    """The ipykernel of this Python, whatever kernels the machine has installed."""

    def __init__(self, **traits: Any) -> None:
        super().__init__(kernel_spec_manager=KernelSpecManager(kernel_dirs=[]), **traits)


@pytest.fixture
def fresh_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the notebooks' data alone; no Jupyter profile and no way out by a proxy."""
    for name in ("IPYTHONDIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, NOWHERE)
        monkeypatch.setenv(name.lower(), NOWHERE)
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for data in DATA:
        shutil.copy(data, folder)
    return folder


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(cell: Any) -> list[Any]:
    """What a reader sees under the cell: streams with their name, and values.

    A stream may come in pieces, which depend on the time that the cell took.
    """
    seen: list[Any] = []
    for name, outputs in groupby(cell.outputs, key=lambda output: output.get("name")):
        if name is None:
            seen += [output.get("data") for output in outputs]
        else:
            seen.append((name, "".join(output["text"] for output in outputs)))
    return seen


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
async def test_a_notebook_shows_what_is_stored(path: Path, fresh_machine: Path) -> None:
    stored, fresh = read(path), read(path)
    client = NotebookClient(
        fresh,
        kernel_manager_class=OwnKernel,
        timeout=60,
        resources={"metadata": {"path": str(fresh_machine)}},
    )

    await client.async_execute()

    for before, now in zip(code_cells(stored), code_cells(fresh), strict=True):
        if "varies" in before.metadata.get("tags", []):
            assert bool(shown(before)) is bool(shown(now)) is True, before.source
        else:
            assert shown(before) == shown(now), before.source
    assert sorted(path.name for path in fresh_machine.iterdir()) == [path.name for path in DATA]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_was_run_once_from_top_to_bottom(path: Path) -> None:
    cells = code_cells(read(path))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_outputs_name_no_path_of_a_machine(path: Path) -> None:
    text = str([shown(cell) for cell in code_cells(read(path))])
    text = re.sub(r"'image/png': '[^']*'", "", text)  # by chance, its base64 looks like paths
    assert re.findall(r"(?<![\w.:/])/\w[\w.-]*/[\w./-]+|[A-Z]:\\\\\w+", text) == []


@pytest.mark.parametrize("path", [*NOTEBOOKS, *DATA], ids=lambda path: path.name)
def test_a_notebook_is_no_burden_to_the_repository(path: Path) -> None:
    assert path.stat().st_size < 250_000


def test_the_readme_lists_every_notebook() -> None:
    listed = re.findall(r"\]\((.+?\.ipynb)\)", (FOLDER / "README.md").read_text())
    assert NOTEBOOKS
    assert listed == [path.name for path in NOTEBOOKS]
