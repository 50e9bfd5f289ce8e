"""Reading back what a callback tracked."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from cache_fabric import CacheFabric
from cache_fabric.langchain import FabricCallbackHandler
from cache_fabric.records import Execution

PRICES = {"fake-1": {"input_cost_per_token": 0.001, "output_cost_per_token": 0.002}}
COST = 3 * 0.001 + 2 * 0.002
"""Dollars of one call of the ``CountingChat`` that answers with ``conftest.answer``."""


class Tracked:
    """One handler, and the executions that came of the runs it was given to."""

    def __init__(self, fabric: CacheFabric, **options: Any) -> None:
        self.fabric = fabric
        self.handler = FabricCallbackHandler(fabric, **options)

    def config(self, **more: Any) -> tuple[Any, UUID]:
        """Return a config for one call, and the id that its root run will have."""
        run_id = uuid4()
        return {"callbacks": [self.handler], "run_id": run_id, **more}, run_id

    def of(self, run_id: UUID) -> Execution:
        """Return the execution of a run that has ended."""
        self.fabric.sync.flush()
        execution = self.fabric.sync.get_execution(str(run_id))
        assert execution is not None
        return execution

    def state(self, run_id: UUID) -> dict[str, Any]:
        return dict(self.of(run_id).state)

    def only(self) -> Execution:
        """Return the one execution that the fabric holds."""
        (execution,) = everything(self.fabric)
        return execution


def everything(fabric: CacheFabric) -> list[Execution]:
    fabric.sync.flush()
    return fabric.sync.search_executions(limit=1000)


def steps(state: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [step for step in state["steps"] if step["kind"] == kind]


def names(state: dict[str, Any]) -> list[str]:
    return [step["name"] for step in state["steps"]]
