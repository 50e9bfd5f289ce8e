"""The bundled embedder against wordllama itself, and what it says when it is not whole."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cache_fabric.embedders.wordllama as driver
from cache_fabric.embedders.wordllama import WordllamaEmbedder
from cache_fabric.errors import ConfigurationError, MissingExtraError

TEXTS = [
    "How do I reset my password?",
    "  two  spaces, a <s> and an \N{GRINNING FACE}  ",
    "\N{CJK UNIFIED IDEOGRAPH-4F60}\N{CJK UNIFIED IDEOGRAPH-597D}",
    "long enough to be counted instead of gathered " * 1_000,
]

# In its own process: importing wordllama sets up the root logger.
WORDLLAMA = """
import ast, pathlib, sys
import numpy as np
import wordllama
inside = pathlib.Path(wordllama.__file__).parent
model = wordllama.WordLlama.load(cache_dir=inside, disable_download=True)
np.save(sys.argv[1], model.embed(ast.literal_eval(sys.stdin.read())))
"""


@pytest.fixture
def expected(tmp_path: Path) -> Any:
    file = tmp_path / "expected.npy"
    subprocess.run(
        [sys.executable, "-c", WORDLLAMA, str(file)], input=ascii(TEXTS), text=True, check=True
    )
    return np.load(file)


async def test_vectors_are_those_of_wordllama(expected: Any) -> None:
    embedder = WordllamaEmbedder()
    rows = await embedder.embed(TEXTS)
    await embedder.aclose()
    assert np.allclose(rows, expected, atol=1e-3)


async def test_wordllama_itself_is_not_imported() -> None:
    embedder = WordllamaEmbedder()
    await embedder.embed(TEXTS)
    await embedder.aclose()
    assert "wordllama" not in sys.modules


async def test_an_empty_text_is_a_zero_row_of_256() -> None:
    embedder = WordllamaEmbedder()
    rows = await embedder.embed(["", "not empty"])
    await embedder.aclose()
    assert rows.shape == (2, 256)
    assert not rows[0].any()
    assert rows[1].any()


async def test_texts_are_not_cut() -> None:
    embedder = WordllamaEmbedder()
    rows = await embedder.embed(["word " * 50_000, "word " * 50_000 + "other " * 5_000])
    await embedder.aclose()
    assert not np.allclose(rows[0], rows[1], atol=1e-4)


@pytest.mark.parametrize(("text", "in_a_thread"), [("short", False), ("long " * 1_000, True)])
async def test_only_long_texts_go_to_a_thread(
    text: str, in_a_thread: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = WordllamaEmbedder()
    await embedder.open()
    threads = []
    encode = driver._Model.rows

    def noted(model: driver._Model, texts: list[str]) -> Any:
        threads.append(threading.current_thread())
        return encode(model, texts)

    monkeypatch.setattr(driver._Model, "rows", noted)
    await embedder.embed([text])
    await embedder.aclose()
    assert [thread is not threading.main_thread() for thread in threads] == [in_a_thread]


def test_a_missing_wheel_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"cache-fabric\[embed\]"):
        WordllamaEmbedder()


@pytest.mark.parametrize("module", ["tokenizers", "safetensors.numpy"])
def test_a_missing_library_names_the_extra(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, driver.__name__)
    with pytest.raises(MissingExtraError, match=r"cache-fabric\[embed\]"):
        importlib.import_module(driver.__name__)


@pytest.mark.parametrize(
    "file",
    ["weights/l2_supercat_256.safetensors", "tokenizers/l2_supercat_tokenizer_config.json"],
)
class TestDamagedWheel:
    @pytest.fixture(autouse=True)
    def wheel(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        package = tmp_path / "wordllama"
        for name in ("weights", "tokenizers"):
            (package / name).mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "weights" / "l2_supercat_256.safetensors").touch()
        (package / "tokenizers" / "l2_supercat_tokenizer_config.json").touch()
        monkeypatch.syspath_prepend(tmp_path)
        return package

    def test_a_missing_file_is_named(self, wheel: Path, file: str) -> None:
        (wheel / file).unlink()
        with pytest.raises(ConfigurationError, match=file):
            WordllamaEmbedder()

    async def test_an_unreadable_file_is_named(self, file: str) -> None:
        with pytest.raises(ConfigurationError, match=Path(file).name) as raised:
            await WordllamaEmbedder().open()
        assert raised.value.__cause__ is not None
