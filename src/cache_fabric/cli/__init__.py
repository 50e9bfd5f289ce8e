"""The ``cache-fabric`` command."""

from cache_fabric.cli.app import main

__all__ = ["main"]
