"""What importing the package costs and pulls in; the layers are checked by ``make lint``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import cache_fabric

SDKS = (
    "chromadb",
    "langchain_core",
    "litellm",
    "onnxruntime",
    "opentelemetry",
    "pinecone",
    "qdrant_client",
    "redis",
    "tiktoken",
    "wordllama",
)
HEAVY = (*SDKS, "numpy", "typer", "rich", "pydantic")
SOURCES = sorted(Path(cache_fabric.__file__).parent.rglob("*.py"))


def modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import cache_fabric",
        "from cache_fabric import *",
        "import cache_fabric; cache_fabric.create_cache_fabric('memory')",
    ],
)
def test_no_sdk_is_imported_before_its_first_use(code: str) -> None:
    assert not modules_after(code) & set(SDKS)


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert not modules_after("import cache_fabric") & set(HEAVY)


def test_making_a_fabric_starts_no_thread_and_opens_no_file(tmp_path: Path) -> None:
    code = (
        "import threading, cache_fabric\n"
        f"cache_fabric.create_cache_fabric('local', path={str(tmp_path / 'kept')!r})\n"
        "assert threading.active_count() == 1"
    )
    modules_after(code)
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_a_file_holds_one_idea(source: Path) -> None:
    assert len(source.read_text().splitlines()) <= 300


def test_all_is_sorted_and_complete() -> None:
    assert cache_fabric.__all__ == sorted(cache_fabric.__all__)
    for name in cache_fabric.__all__:
        assert getattr(cache_fabric, name) is not None
