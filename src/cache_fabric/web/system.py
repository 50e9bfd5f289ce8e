"""``/v1/system`` and ``/v1/fleet``: how this process stands, and who else is there."""

from __future__ import annotations

import platform

from msgspec import Struct

from cache_fabric import __version__
from cache_fabric.fabric import CacheFabric
from cache_fabric.fabric_parts import Backends
from cache_fabric.instrumentation.standing import Standing
from cache_fabric.version_records import Agent
from cache_fabric.web.operations import Asked, Operation

__all__ = ["system_operations"]


class System(Struct, kw_only=True):
    """The server's own process."""

    version: str
    python: str
    namespace: str
    policy: str
    backends: Backends
    standing: Standing


class Agents(Struct):
    """The processes that use the fabric under a name, by name."""

    items: list[Agent]


def system_operations(fabric: CacheFabric) -> tuple[Operation, ...]:
    """Return the operations on processes."""

    async def system(_: Asked) -> System:
        return System(
            version=__version__,
            python=platform.python_version(),
            namespace=fabric.config.namespace,
            policy=fabric.policy.name,
            backends=fabric.backends(),
            standing=fabric.standing(),
        )

    async def fleet(_: Asked) -> Agents:
        return Agents(await fabric.fleet())

    return (
        Operation(
            method="GET",
            path="/v1/system",
            call=system,
            summary="Say how the server's process and its backends stand",
            returns=System,
        ),
        Operation(
            method="GET",
            path="/v1/fleet",
            call=fleet,
            summary="List the processes that use the fabric under a name",
            returns=Agents,
        ),
    )
