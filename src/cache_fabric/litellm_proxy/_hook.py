"""The proxy's hooks: prompts before a call, headers after it. LiteLLM calls them by keyword.

It looks for them on the class of the instance itself: a subclass has to define them anew.
"""

from __future__ import annotations

import logging
import uuid
from typing import Any

import litellm as host
from fastapi import HTTPException
from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy._types import UserAPIKeyAuth

from cache_fabric.fabric import CacheFabric
from cache_fabric.litellm._cache import FabricCache
from cache_fabric.litellm._desk import told_in
from cache_fabric.litellm._tenants import CALL
from cache_fabric.litellm_proxy._headers import headers_of
from cache_fabric.litellm_proxy._prompts import PromptError, resolve
from cache_fabric.litellm_proxy._tenants import ProxyTenants
from cache_fabric.seam import Seam

__all__ = ["FabricHook"]

_CHAT = frozenset({"completion", "acompletion"})
_CONTEXTS = "cache_fabric_contexts"
_OURS = "cache_fabric_"
_log = logging.getLogger("cache_fabric")


class FabricHook(CustomLogger):
    """What a proxy's configuration names; the lookups themselves are `cache_fabric.litellm`'s.

    Args:
        fabric: Its contexts are the prompts.
        tenants: Tells whose a call is.
        track: Whether calls become executions, whose ids are told.
    """

    def __init__(self, fabric: CacheFabric, tenants: ProxyTenants, *, track: bool) -> None:
        super().__init__()
        self.fabric = fabric
        self._tenants = tenants
        self._track = track
        self._seam = Seam(fabric)
        self._warned = False

    async def async_pre_call_hook(
        self, user_api_key_dict: UserAPIKeyAuth, cache: Any, data: dict[str, Any], call_type: str
    ) -> dict[str, Any]:
        """Resolve the prompt that a request names; take out what only the proxy may say.

        Raises:
            HTTPException: The request names a prompt that cannot be had.
        """
        contexts: list[Any] = []
        if call_type in _CHAT and data.get("prompt_id") is not None:
            try:
                prompt = await resolve(self.fabric, data, self._tenants.of_key(user_api_key_dict))
            except PromptError as error:
                raise _refusal(error) from error
            prompt.put_into(data)
            contexts.append(prompt.context)
        with self._seam.harmless(lambda: str(data.get("model")), counts_bypass=False):
            self._mark(data, contexts)
            self._look_for_another_cache()
        return data

    async def async_post_call_response_headers_hook(
        self,
        data: dict[str, Any],
        user_api_key_dict: UserAPIKeyAuth,
        response: Any,
        request_headers: dict[str, str] | None = None,
        litellm_call_info: dict[str, Any] | None = None,
    ) -> dict[str, str] | None:
        """Return the headers that say what the fabric did; for streams as for plain answers."""
        with self._seam.harmless(lambda: str(data.get("model")), counts_bypass=False):
            details = getattr(data.get("litellm_logging_obj"), "model_call_details", None) or {}
            metadata = _metadata_of(data)
            execution_id = metadata.get(CALL) if self._track else None
            return headers_of(told_in(details), execution_id, metadata.get(_CONTEXTS) or ())
        return None

    def _mark(self, data: dict[str, Any], contexts: list[Any]) -> None:
        metadata = _metadata_of(data)
        for name in [name for name in metadata if name.startswith(_OURS)]:
            del metadata[name]
        metadata[_CONTEXTS] = contexts
        metadata[CALL] = uuid.uuid4().hex

    def _look_for_another_cache(self) -> None:
        if not self._warned and not isinstance(host.cache, FabricCache):
            self._warned = True
            _log.warning(
                "litellm.cache was replaced, so no call is cached by the fabric: "
                "take the key cache: out of litellm_settings"
            )


def _metadata_of(data: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata that the proxy itself wrote into; a client has only the other."""
    for name in ("litellm_metadata", "metadata"):
        metadata = data.get(name)
        if isinstance(metadata, dict) and isinstance(
            metadata.get("user_api_key_auth"), UserAPIKeyAuth
        ):
            return metadata
    return {}


def _refusal(error: PromptError) -> HTTPException:
    kind = "invalid_request_error" if error.status < 500 else "server_error"
    told = {"message": str(error), "type": kind, "param": error.field, "code": str(error.status)}
    return HTTPException(status_code=error.status, detail={"error": told})
