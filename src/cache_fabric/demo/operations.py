"""The demo over HTTP: what the page asks the stage to do, below ``/v1/demo``."""

from __future__ import annotations

import dataclasses
from typing import Any

from msgspec import Struct

from cache_fabric.demo.mix import DEFAULT_MIX
from cache_fabric.demo.stage import Stage
from cache_fabric.errors import ValidationError
from cache_fabric.web.operations import Asked, Operation

__all__ = ["demo_operations"]

_MOST_CHARACTERS = 2000


class Text(Struct, forbid_unknown_fields=True):
    """A text to classify; ``fresh`` asks the model alone."""

    text: str
    fresh: bool = False


class Mix(Struct, forbid_unknown_fields=True):
    """How many of each kind a batch has."""

    mix: dict[str, int]


class Running(Struct, forbid_unknown_fields=True):
    """Whether the store runs."""

    running: bool


def demo_operations(stage: Stage) -> tuple[Operation, ...]:
    """Return what ``/v1/demo`` takes."""

    async def about(_: Asked) -> dict[str, Any]:
        return stage.about()

    async def classify(asked: Asked) -> dict[str, Any]:
        text = asked.body.text.strip()
        if not 0 < len(text) <= _MOST_CHARACTERS:
            raise ValidationError("text", f"expected 1 to {_MOST_CHARACTERS} characters")
        return dataclasses.asdict(await stage.classify(text, fresh=asked.body.fresh))

    async def batch(asked: Asked) -> dict[str, int]:
        return {"total": stage.start_batch(asked.body.mix)}

    async def stop(_: Asked) -> dict[str, Any]:
        stage.stop_batch()
        return {}

    async def store(asked: Asked) -> dict[str, Any]:
        await stage.turn_store(running=asked.body.running)
        return stage.about()

    kinds = ", ".join(DEFAULT_MIX)
    path = "/v1/demo"
    return (
        Operation(
            method="GET",
            path=path,
            call=about,
            returns=dict[str, Any],
            summary="What the demo plays with: model, examples, mix, agents, store.",
        ),
        Operation(
            method="POST",
            path=f"{path}/classify",
            call=classify,
            body=Text,
            returns=dict[str, Any],
            summary="Classify a text through the cache, or by the model alone.",
        ),
        Operation(
            method="POST",
            path=f"{path}/batch",
            call=batch,
            body=Mix,
            returns=dict[str, int],
            summary=f"Run a batch of {kinds}; how it goes comes as events.",
        ),
        Operation(
            method="DELETE",
            path=f"{path}/batch",
            call=stop,
            returns=dict[str, Any],
            summary="End the batch that runs.",
        ),
        Operation(
            method="POST",
            path=f"{path}/store",
            call=store,
            body=Running,
            returns=dict[str, Any],
            summary="Stop the store under the page and the agents, or start it.",
        ),
    )
