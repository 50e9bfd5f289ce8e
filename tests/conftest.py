"""What every test runs under: no connection leaves the machine, nothing reports home."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import settings

# No test is timed: a busy machine is no failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

for name, value in {
    "ANONYMIZED_TELEMETRY": "False",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "LANGSMITH_TRACING": "false",
}.items():
    os.environ.setdefault(name, value)


class OutsideConnectionError(RuntimeError):
    """A test tried to reach another machine."""


def refuse_outside(address: Any) -> None:
    """Raise unless the address is on this machine."""
    if not isinstance(address, tuple):
        return  # a Unix socket path
    host = str(address[0])
    if host in {"localhost", ""}:
        return
    try:
        local = ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        local = False
    if not local:
        raise OutsideConnectionError(f"a test tried to connect to {host}")


@pytest.fixture(autouse=True, scope="session")
def no_outside_connections() -> Iterator[None]:
    """Every socket of this process connects to loopback only, or fails the test."""
    patch = pytest.MonkeyPatch()
    connect, connect_ex, resolve = (
        socket.socket.connect,
        socket.socket.connect_ex,
        socket.getaddrinfo,
    )

    def guarded_connect(self: socket.socket, address: Any) -> None:
        refuse_outside(address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        refuse_outside(address)
        return connect_ex(self, address)

    def guarded_resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host is not None:
            refuse_outside((host.decode() if isinstance(host, bytes) else host, 0))
        return resolve(host, *args, **kwargs)

    patch.setattr(socket.socket, "connect", guarded_connect)
    patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    patch.setattr(socket, "getaddrinfo", guarded_resolve)
    yield
    patch.undo()


@pytest.fixture
async def fabric() -> AsyncIterator[Any]:
    """A fabric in memory with budgets that a busy test machine cannot exceed.

    Its policy learns nothing, so that what a test asks first never decides what it is served next.
    """
    from cache_fabric import FabricConfig, Threshold, create_cache_fabric

    patient = FabricConfig(exact_timeout=30, semantic_timeout=30)
    made = create_cache_fabric("memory", policy=Threshold(), config=patient)
    yield made
    await made.aclose()
