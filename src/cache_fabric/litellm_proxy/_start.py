"""Make a worker's fabric, enable it, and hand out the hook."""

from __future__ import annotations

import logging
import os

from cache_fabric.errors import BackendError
from cache_fabric.litellm import enable
from cache_fabric.litellm_proxy._hook import FabricHook
from cache_fabric.litellm_proxy._settings import read_settings

__all__ = ["start"]

_log = logging.getLogger("cache_fabric")


def start() -> FabricHook:
    """Return the hook of this worker.

    A backend that is away does not keep the proxy from starting: calls go on without the cache,
    which comes when its backend does.

    Raises:
        ConfigurationError: The environment or the file says what cannot be; the message names it.
    """
    settings = read_settings(os.environ)
    fabric = settings.make_fabric()
    try:
        fabric.sync.open()  # here, so that no request waits for weights to load
    except BackendError as error:
        _log.warning("the proxy starts without its cache: %s", error)
    enable(fabric, tenant=settings.tenant, track=settings.track)
    return FabricHook(fabric, settings.tenant, track=settings.track)
