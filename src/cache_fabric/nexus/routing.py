"""Which way a graph goes on from a node. Pure.

One way is taken: the first, in the order of the manifest, of those whose condition (route or
expression) holds; else of those for just what happened (``approval``, ``timeout``, or a custom
event that the answer names as it would a route); else of the unconditional ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from cache_fabric.errors import ManifestError, ValidationError
from cache_fabric.nexus.expressions import Expression
from cache_fabric.nexus.manifest import Edge

__all__ = ["Happened", "Ways", "chosen"]

Happened = Literal["success", "error", "timeout", "approval", "rejection"]
_WIDER = {
    "success": {"success"},
    "error": {"error"},
    "timeout": {"timeout", "error"},
    "approval": {"approval", "success"},
    "rejection": {"rejection", "success"},
}
_TRIGGERS = ("always", *_WIDER)
_CUSTOM = "custom:"
_FIELDS = ("route", "decision", "classification", "label", "status")
_AROUND = " \t\r\n\"'`*_.,:;!?()[]{}<>"
_DENIED = re.compile(r"[^:\n]*:\s*(no|false|none|n/a)\s*([,;.\n]|$)", re.IGNORECASE)
_END_OF_LABEL = re.compile(r"[:,;.\n]|\s[-\u2013\u2014]\s")


class Ways:
    """The edges out of one node.

    Args:
        node_id: Of the node, for errors.
        edges: In the order of the manifest.

    Raises:
        ManifestError: A condition cannot be read, or a trigger is not one of those above.
    """

    def __init__(self, node_id: str, edges: Iterable[Edge]) -> None:
        self._node = node_id
        self._edges = [(edge, _condition(edge)) for edge in edges]
        self.routes = tuple(edge.route for edge, _ in self._edges if edge.route is not None)

    @property
    def targets(self) -> tuple[str, ...]:
        """Ids of the nodes that may follow, each once."""
        return tuple(dict.fromkeys(edge.target for edge, _ in self._edges))

    @property
    def chooses(self) -> bool:
        """True if what the node says decides where the graph goes on."""
        return any(edge.route or edge.expression for edge, _ in self._edges)

    def accepts(self, said: Any) -> bool:
        """Return whether an answer names a route, or the graph goes on without one."""
        open_ways = (edge.trigger for edge, _ in self._edges if edge.route is None)
        if any(one in ("success", "always") or one.startswith(_CUSTOM) for one in open_ways):
            return True
        return not self.routes or chosen(self.routes, said) is not None

    def after(self, happened: Happened, said: Any, names: Mapping[str, Any]) -> str | None:
        """Return the id of the next node, ``None`` where the graph ends.

        Args:
            happened: In the node.
            said: What the node answered; routes are looked for in it.
            names: What expressions may name.

        Raises:
            ValidationError: The node has to choose among routes, named none, and nothing else fits.
        """
        fitting = [
            (edge, condition)
            for edge, condition in self._edges
            if edge.trigger == "always"
            or edge.trigger in _WIDER[happened]
            or (happened == "success" and _is_event(edge.trigger, said))
        ]
        route = chosen([e.route for e, _ in fitting if e.route is not None], said)
        for edge, condition in fitting:
            if condition is None and edge.route is None:
                continue
            if (edge.route is None or edge.route == route) and (
                condition is None or condition.holds(names)
            ):
                return edge.target
        plain = [edge for edge, condition in fitting if condition is None and edge.route is None]
        plain.sort(key=lambda edge: edge.trigger in ("success", "error", "always"))
        if plain:
            return plain[0].target
        if route is None and any(edge.route is not None for edge, _ in fitting):
            # What it said may hold anything; the routes are the developer's own.
            raise ValidationError(self._node, f"expected one of {', '.join(self.routes)} of it")
        return None


def chosen(routes: Iterable[str], said: Any) -> str | None:
    """Return the route that an answer names, ``None`` if it names none.

    It has to be named as such, and not only to occur: ``unsafe`` is not ``safe``, and neither is
    ``not safe``. It is the whole answer, or what a label would be: the beginning up to a colon,
    comma, full stop or dash; the last line; what follows the last colon; a field ``route``,
    ``decision``, ``classification``, ``label`` or ``status`` of an object; or the one field of the
    object that is named as a route and true.
    """
    known: dict[str, str] = {}
    for route in routes:
        known.setdefault(_bare(route), route)
    if not known:
        return None
    named = (known[_bare(part)] for part in _labels(said, known) if _bare(part) in known)
    return next(named, None)


def _condition(edge: Edge) -> Expression | None:
    if edge.trigger not in _TRIGGERS and not edge.trigger.startswith(_CUSTOM):
        raise ManifestError(
            f"expected one of {', '.join(_TRIGGERS)}, or custom with an event_name",
            file=edge.place.file,
            line=edge.place.line,
            field=f"{edge.place.field}.condition.trigger".lstrip("."),
        )
    return None if edge.expression is None else Expression(edge.expression, edge.place)


def _is_event(trigger: str, said: Any) -> bool:
    event = trigger.removeprefix(_CUSTOM)
    return event != trigger and chosen([event], said) is not None


def _labels(said: Any, known: Mapping[str, str]) -> Iterator[str]:
    if isinstance(said, Mapping):
        yield from (str(said[name]) for name in _FIELDS if isinstance(said.get(name), str))
        true = [str(name) for name, value in said.items() if value is True and _bare(name) in known]
        yield from true if len(true) == 1 else ()
    elif isinstance(said, str) and said.strip():
        yield from _labels(_object(said), known)
        lines = said.strip().splitlines()
        yield said
        if not _DENIED.match(said.strip()):  # "harmful: no" is not harmful
            yield _END_OF_LABEL.split(said.strip(), maxsplit=1)[0]
        yield lines[-1]
        yield lines[-1].rpartition(":")[2]


def _object(text: str) -> Any:
    bare = text.strip().removeprefix("```json").strip("`").strip()
    if not bare.startswith("{"):
        return None
    try:
        return json.loads(bare)
    except (ValueError, RecursionError):
        return None


def _bare(text: Any) -> str:
    return str(text).strip(_AROUND).casefold()
