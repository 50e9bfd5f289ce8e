"""Real token counts without a network: tiktoken over the encodings that LiteLLM's package carries.

tiktoken fetches an encoding at its first use; pointed at the folder inside the installed litellm
package it finds them there. litellm itself is not imported (that takes seconds).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

__all__ = ["token_counter"]


def token_counter() -> tuple[Callable[[str], int], bool]:
    """Return a function from text to tokens, and whether its counts are only estimates."""
    folder = _bundled_encodings()
    if folder is None or find_spec("tiktoken") is None:
        return _estimate, True
    os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(folder))
    import tiktoken

    try:
        encoding = tiktoken.get_encoding("o200k_base")
    except Exception:  # noqa: BLE001 - whatever the fetch raises, the demo goes on with estimates
        return _estimate, True
    return lambda text: len(encoding.encode(text, disallowed_special=())), False


def _bundled_encodings() -> Path | None:
    spec = find_spec("litellm")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "litellm_core_utils" / "tokenizers"
    return folder if folder.is_dir() else None


def _estimate(text: str) -> int:
    return max(1, round(len(text) / 4))
