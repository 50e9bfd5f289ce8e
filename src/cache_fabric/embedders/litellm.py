"""Any embedding model that LiteLLM reaches, as an embedder."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from cache_fabric.embedders._blocking import Matrix, MicroBatcher
from cache_fabric.errors import BackendTimeout, BackendUnavailable, MissingExtraError

__all__ = ["LiteLLMEmbedder"]


class LiteLLMEmbedder:
    """Embeds with ``litellm.embedding``, in threads.

    LiteLLM takes seconds to import; `open` does it, in a thread.

    Args:
        model: Model as LiteLLM names it, such as ``text-embedding-3-small``.
        options: Passed on with every call (``api_base``, ``api_key``, ``dimensions`` ...). Unless
            given, ``timeout`` is 10 seconds and ``max_retries`` 0: a late vector is of no use.

    Raises:
        MissingExtraError: litellm is not installed.
    """

    def __init__(self, model: str, **options: Any) -> None:
        if importlib.util.find_spec("litellm") is None:
            raise MissingExtraError("litellm", f"the embedder litellm:{model}")
        size = options.get("dimensions")
        self.identity = f"litellm/{model}" if size is None else f"litellm/{model}/{size}"
        self.model = model
        self._options = {"timeout": 10.0, "max_retries": 0, **options}
        self._threads = MicroBatcher(self.identity, self._vectors)

    async def open(self) -> None:
        await asyncio.to_thread(_litellm)

    async def embed(self, texts: Sequence[str]) -> Matrix:
        return await self._threads.embed(texts)

    async def aclose(self) -> None:
        self._threads.close()

    def _vectors(self, texts: list[str]) -> list[Any]:
        litellm = _litellm()
        try:
            # LiteLLM's own cache may be this fabric, which must not wait for its own embedder.
            response = litellm.embedding(
                model=self.model, input=texts, caching=False, **self._options
            )
        except litellm.Timeout as error:
            raise BackendTimeout(self.identity, "embed", "took too long") from error
        except (litellm.APIConnectionError, litellm.ServiceUnavailableError) as error:
            raise BackendUnavailable(self.identity, "embed", "cannot be reached") from error
        rows = sorted(response.data, key=lambda item: int(item["index"]))
        return [item["embedding"] for item in rows]


def _litellm() -> ModuleType:
    # Read at import: without it LiteLLM fetches its price map from the internet.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    return litellm
