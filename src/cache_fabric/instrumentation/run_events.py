"""The events of a run: it was begun, it told of a step, it ended.

They are made of what is told of it on its way to the store, and hold none of its texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from cache_fabric.run_state import RunState

__all__ = ["RunEvent", "StepEvent", "event_of_draft", "said_in_draft"]

_SAID = ("input", "output", "error")
_LONGEST_NAME = 256


class StepEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a run.

    Attributes:
        execution_id: Of the run.
        kind: ``model``, ``tool`` or what it was.
        name: Of the model, the tool, the node.
        run: Names one start of a run that tells of itself step by step.
        id, parent: Of the step and of the one that it ran in, where the host names them.
        started: Seconds since the epoch, ``None`` if not known.
        seconds: What it took, ``None`` if not known.
        status: How it ended, ``None`` if not known.
        outcome: Of the lookup for it: ``hit``, ``miss`` or ``bypass``.
    """

    execution_id: str
    kind: str
    name: str
    run: str | None = None
    id: str | None = None
    parent: str | None = None
    started: float | None = None
    seconds: float | None = None
    status: str | None = None
    outcome: str | None = None


def _no_steps() -> Iterator[StepEvent]:
    return iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """A run began or ended.

    Attributes:
        what: ``begun`` or ``ended``; one that was handed in whole only ends.
        execution_id: Of the run.
        graph: What ran.
        run: Names one start of a run that tells of itself step by step.
        agent, conversation, status: As its state says.
        started: Seconds since the epoch, ``None`` if not known.
        seconds: What it took, ``None`` if not known.
        contexts: Keys of the contexts that it used, each with the version where that is known.
        steps: Makes the steps that were handed in with it; who does not ask does not pay for them.
    """

    what: Literal["begun", "ended"]
    execution_id: str
    graph: str
    run: str | None = None
    agent: str | None = None
    conversation: str | None = None
    status: str | None = None
    started: float | None = None
    seconds: float | None = None
    contexts: tuple[tuple[str, int | None], ...] = ()
    steps: Callable[[], Iterator[StepEvent]] = field(default=_no_steps, repr=False, compare=False)


def event_of_draft(fields: Mapping[str, Any]) -> RunEvent | StepEvent:
    """Return the event of a draft of `execution_draft`, which is plain data but not checked."""
    execution_id, run = _name(fields["execution_id"]) or "", fields.get("run")
    if "step" in fields:
        return _step(execution_id, run, fields["step"])
    state = _State(fields["state"])
    is_open = run is not None and "events" not in fields
    return RunEvent(
        what="begun" if is_open else "ended",
        execution_id=execution_id,
        graph=_name(fields["graph_name"]) or "",
        run=run,
        agent=_name(state.state.get("agent")),
        conversation=_name(state.state.get("conversation") or state.state.get("thread_id")),
        status=_name(state.state.get("status")),
        started=state.number("started"),
        seconds=state.number("seconds"),
        contexts=state.contexts,
        steps=lambda: (
            _step(execution_id, run, step) for step in state.steps if isinstance(step, Mapping)
        ),
    )


def said_in_draft(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run or a step was given and said, for hooks that were given leave to hear it.

    With ``steps``, in order, of a run that was handed in whole.
    """
    state = _State(fields["step"] if "step" in fields else fields["state"])
    said = {name: state.state.get(name) for name in _SAID}
    steps = [step for step in state.steps if isinstance(step, Mapping)]
    return {**said, "steps": [{name: step.get(name) for name in _SAID} for step in steps]}


class _State(RunState):
    """A state that nobody has looked at yet."""

    __slots__ = ("state",)

    def __init__(self, state: Any) -> None:
        self.state = state if isinstance(state, Mapping) else {}


def _step(execution_id: str, run: str | None, step: Any) -> StepEvent:
    state, cache = _State(step), _State(step.get("cache")).state
    return StepEvent(
        execution_id=execution_id,
        kind=_name(state.state.get("kind")) or "step",
        name=_name(state.state.get("name")) or "",
        run=run,
        id=_name(state.state.get("id")),
        parent=_name(state.state.get("parent")),
        started=state.number("started"),
        seconds=state.number("seconds"),
        status=_name(state.state.get("status")),
        outcome=_name(cache.get("outcome")),
    )


def _name(value: Any) -> str | None:
    """Return what may be a name: anything else may hold what somebody said."""
    return value if isinstance(value, str) and len(value) <= _LONGEST_NAME else None
