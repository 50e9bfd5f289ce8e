"""The ONNX embedder on models small enough to be made here: one vector a word."""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from cache_fabric.embedders.base import Embedder
from cache_fabric.embedders.onnx import OnnxEmbedder
from cache_fabric.errors import ConfigurationError, MissingExtraError
from cache_fabric.testing.embedders import QUESTIONS, EmbedderContract

WORDS = ["[UNK]", "[CLS]", "[SEP]", *sorted({word for q in QUESTIONS for word in q.split()})]
TABLE = np.random.default_rng(7).normal(size=(len(WORDS), 16)).astype(np.float32)

MakeFolder = Callable[..., Path]


def model(output: str, inputs: dict[str, int]) -> onnx.ModelProto:
    shape: list[str | int] = (
        ["batch", 16] if output == "sentence_embedding" else ["batch", "sequence", 16]
    )
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["rows"])]
    if output == "sentence_embedding":
        nodes.append(helper.make_node("ReduceMax", ["rows"], [output], axes=[1], keepdims=0))
    else:
        nodes.append(helper.make_node("Identity", ["rows"], [output]))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info(n, kind, ["batch", "sequence"])
            for n, kind in inputs.items()
        ],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(TABLE, "table")],
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8)


def tokenizer(special: bool = True) -> Tokenizer:
    made = Tokenizer(WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    if special:
        made.post_processor = TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
        )
    return made


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    def make(
        output: str = "last_hidden_state",
        inputs: dict[str, int] | None = None,
        file: str = "model.onnx",
        words: Tokenizer | None = None,
    ) -> Path:
        folder = tmp_path / "tiny-model"
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        inputs = inputs or dict.fromkeys(["input_ids", "attention_mask"], TensorProto.INT64)
        onnx.save(model(output, inputs), folder / file)
        (words or tokenizer()).save(str(folder / "tokenizer.json"))
        return folder

    return make


class TestOnnx(EmbedderContract):
    @pytest.fixture(params=["last_hidden_state", "sentence_embedding"])
    def embedder(self, request: pytest.FixtureRequest, make_folder: MakeFolder) -> Embedder:
        return OnnxEmbedder(make_folder(request.param))


async def rows_of(folder: Path, *texts: str) -> Any:
    embedder = OnnxEmbedder(folder)
    try:
        return await embedder.embed(texts)
    finally:
        await embedder.aclose()


async def test_token_vectors_are_pooled_to_their_mean(make_folder: MakeFolder) -> None:
    rows = await rows_of(make_folder(), "Who card")
    ids = [WORDS.index(word) for word in ("[CLS]", "Who", "card", "[SEP]")]
    assert np.allclose(rows[0], TABLE[ids].mean(axis=0), atol=1e-6)


async def test_a_pooled_output_is_taken_as_it_is(make_folder: MakeFolder) -> None:
    rows = await rows_of(make_folder("sentence_embedding"), "Who card")
    ids = [WORDS.index(word) for word in ("[CLS]", "Who", "card", "[SEP]")]
    assert np.allclose(rows[0], TABLE[ids].max(axis=0), atol=1e-6)


async def test_any_output_of_rank_three_is_pooled(make_folder: MakeFolder) -> None:
    rows = await rows_of(make_folder("token_embeddings"), "Who")
    assert rows.shape == (1, 16)


@pytest.mark.parametrize(
    "inputs",
    [
        {"input_ids": TensorProto.INT64},
        {"input_ids": TensorProto.INT32, "attention_mask": TensorProto.INT32},
        dict.fromkeys(["input_ids", "token_type_ids", "attention_mask"], TensorProto.INT64),
    ],
    ids=["ids only", "int32", "with token types"],
)
async def test_a_model_is_fed_the_inputs_it_has(
    make_folder: MakeFolder, inputs: dict[str, int]
) -> None:
    assert (await rows_of(make_folder(inputs=inputs), "Who")).shape == (1, 16)


async def test_an_input_that_cannot_be_fed_is_named(make_folder: MakeFolder) -> None:
    folder = make_folder(inputs={"input_ids": TensorProto.INT64, "pixels": TensorProto.FLOAT})
    with pytest.raises(ConfigurationError, match="pixels"):
        await OnnxEmbedder(folder).open()


async def test_a_model_without_a_fitting_output_is_refused(make_folder: MakeFolder) -> None:
    folder = make_folder("sentence_embedding")
    other = onnx.load(folder / "model.onnx")
    other.graph.output[0].name = other.graph.node[-1].output[0] = "logits"
    onnx.save(other, folder / "model.onnx")
    with pytest.raises(ConfigurationError, match="logits"):
        await OnnxEmbedder(folder).open()


async def test_without_special_tokens_an_empty_text_is_a_zero_row(make_folder: MakeFolder) -> None:
    rows = await rows_of(make_folder(words=tokenizer(special=False)), "")
    assert not rows.any()


async def test_texts_are_cut_at_512_tokens(make_folder: MakeFolder) -> None:
    rows = await rows_of(make_folder(), "Who " * 510, "Who " * 510 + "card")
    assert np.array_equal(rows[0], rows[1])


async def test_texts_are_cut_where_the_config_says(make_folder: MakeFolder) -> None:
    folder = make_folder()
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 4}))
    rows = await rows_of(folder, "Who card", "Who card wrote", "Who")
    assert np.array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[0], rows[2])


async def test_texts_are_cut_where_the_tokenizer_says(make_folder: MakeFolder) -> None:
    words = tokenizer()
    words.enable_truncation(3)
    rows = await rows_of(make_folder(words=words), "Who card", "Who wrote")
    assert np.array_equal(rows[0], rows[1])


async def test_the_padding_of_a_tokenizer_is_left_out(make_folder: MakeFolder) -> None:
    words = tokenizer()
    words.enable_padding(length=32)
    rows = await rows_of(make_folder("sentence_embedding", words=words), "Who")
    ids = [WORDS.index(word) for word in ("[CLS]", "Who", "[SEP]")]
    assert np.allclose(rows[0], TABLE[ids].max(axis=0), atol=1e-6)


@pytest.mark.parametrize("file", ["onnx/model.onnx", "model_quantized.onnx"])
async def test_the_model_is_found_where_exports_put_it(make_folder: MakeFolder, file: str) -> None:
    assert len(await rows_of(make_folder(file=file), "Who")) == 1


def test_the_identity_is_folder_and_model_file(make_folder: MakeFolder) -> None:
    folder = make_folder()
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    assert OnnxEmbedder(folder).identity == f"onnx/tiny-model/{digest[:12]}"


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_missing_file_is_named(make_folder: MakeFolder, name: str) -> None:
    folder = make_folder()
    (folder / name).unlink()
    with pytest.raises(ConfigurationError, match=name):
        OnnxEmbedder(folder)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "config.json"])
async def test_an_unreadable_file_is_named(make_folder: MakeFolder, name: str) -> None:
    folder = make_folder()
    (folder / name).write_text("not this")
    with pytest.raises(ConfigurationError, match=name) as raised:
        await OnnxEmbedder(folder).open()
    assert raised.value.__cause__ is not None


@pytest.mark.parametrize("module", ["onnxruntime", "tokenizers"])
def test_a_missing_library_names_the_extra(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, OnnxEmbedder.__module__)
    with pytest.raises(MissingExtraError, match=r"cache-fabric\[onnx\]"):
        importlib.import_module(OnnxEmbedder.__module__)
