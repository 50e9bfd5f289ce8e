"""Tiktoken's encodings as far as their files lie on this machine; nothing is ever fetched.

Tiktoken itself asks the network for a file that it does not find, and raises without one. Here a
private copy of its table of encodings is run, whose files come from disk or not at all: from where
tiktoken keeps what it once fetched, or from the folder inside an installed litellm.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import importlib.util
import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

__all__ = ["Encodings", "at_hand", "folders"]

Count = Callable[[str], int]


class Encodings:
    """Counters of tokens by model; for any thread, and nothing here waits.

    Reading an encoding takes half a second, so that is done in a thread of its own, which the first
    question for it begins.

    Args:
        folders: Where files may lie.
    """

    def __init__(self, folders: Callable[[], Iterable[Path]]) -> None:
        self._folders = folders
        self._reading = threading.Lock()
        self._name_of: Callable[[str], str] | None = None
        self._counts: dict[str, Count | None] = {}

    def at_hand(self, model: str) -> Count | None:
        """Return what counts the tokens of a model exactly, ``None`` while nothing does."""
        bare = model.rpartition("/")[2]
        try:
            if self._name_of is not None and (name := self._name_of(bare)) in self._counts:
                return self._counts[name]
        except KeyError:
            return None  # a model of another maker
        if self._reading.acquire(blocking=False):
            threading.Thread(
                target=self._read, args=(bare,), name="cache-fabric-encoding", daemon=True
            ).start()
        return None

    def _read(self, model: str) -> None:
        try:
            self._name_of = importlib.import_module("tiktoken.model").encoding_name_for_model
            name = self._name_of(model)
            self._counts[name] = _read(name, list(self._folders()))
        except KeyError:
            pass
        except Exception:  # noqa: BLE001 - another release of tiktoken may have none of this
            self._name_of = _no_name
        finally:
            self._reading.release()


def folders() -> Iterable[Path]:
    """Yield the folders in which files may lie, under the names that tiktoken gives them."""
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if os.environ.get(variable):
            yield Path(os.environ[variable])
    yield Path(tempfile.gettempdir(), "data-gym-cache")
    spec = importlib.util.find_spec("litellm")
    for folder in (spec and spec.submodule_search_locations) or ():
        yield Path(folder, "litellm_core_utils", "tokenizers")


def _read(name: str, places: Iterable[Path]) -> Count | None:
    """Return the counter of an encoding, ``None`` where its file is nowhere or not as it was."""

    def ranks(url: str, expected_hash: str | None = None) -> dict[bytes, int]:
        file = hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()
        for place in places:
            if not (place / file).is_file():
                continue
            data = (place / file).read_bytes()
            if hashlib.sha256(data).hexdigest() == expected_hash:
                lines = (line.split() for line in data.splitlines() if line)
                return {base64.b64decode(token): int(rank) for token, rank in lines}
        raise FileNotFoundError(url)

    table = _private_copy("tiktoken_ext.openai_public")
    table.load_tiktoken_bpe = table.data_gym_to_mergeable_bpe_ranks = ranks
    try:
        made = table.ENCODING_CONSTRUCTORS[name]()
    except (OSError, TypeError):  # an encoding made of two files calls with other arguments
        return None
    encoding = importlib.import_module("tiktoken").Encoding(**made)
    return lambda text: len(encoding.encode_ordinary(text))


def _private_copy(module: str) -> Any:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.loader is None:
        raise ImportError(module)
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    return copy


def _no_name(model: str) -> str:
    raise KeyError(model)


at_hand = Encodings(folders).at_hand
"""Of this process."""
