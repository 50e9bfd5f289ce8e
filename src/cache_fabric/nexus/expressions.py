"""Conditions of edges, as ``risk > 0.5 and contains(output, 'spam')``: data, never Python.

A condition is checked when it is read: names, constants, comparisons, arithmetic without powers,
fields (``user.plan`` is ``user["plan"]``, so no attribute of any object is reached), and calls of
the functions named here. What it needs and the state does not have makes it not hold.
"""

from __future__ import annotations

import ast
import logging
from collections.abc import Mapping
from typing import Any

from simpleeval import DEFAULT_OPERATORS, EvalWithCompoundTypes

from cache_fabric.errors import ManifestError
from cache_fabric.nexus.manifest import Place

__all__ = ["Expression"]

_LONGEST = 2_000
_FUNCTIONS = {
    "abs": abs,
    "bool": bool,
    "contains": lambda whole, part: part in whole,
    "float": float,
    "int": int,
    "len": len,
    "lower": lambda text: str(text).lower(),
    "max": max,
    "min": min,
    "str": str,
}
_CONSTANTS = {"true": True, "false": False, "null": None, "none": None}
_SLOW = (ast.Pow, ast.LShift, ast.RShift)
_KNOWN = (
    *(ast.Expression, ast.Constant, ast.Name, ast.Load, ast.Attribute, ast.Subscript, ast.Call),
    *(ast.BoolOp, ast.boolop, ast.UnaryOp, ast.unaryop, ast.BinOp, ast.operator),
    *(ast.Compare, ast.cmpop, ast.IfExp, ast.List, ast.Tuple),
)


def _remainder(one: Any, two: Any) -> Any:
    if isinstance(one, str | bytes):  # of which % is a format: "%999999999d" of a model is 1 GB
        raise TypeError("expected numbers")
    return one % two


_OPERATORS = {kind: run for kind, run in DEFAULT_OPERATORS.items() if kind not in _SLOW}
_OPERATORS[ast.Mod] = _remainder
_log = logging.getLogger("cache_fabric")


class Expression:
    """One condition over the state.

    Args:
        text: As the manifest has it.
        place: Where, for the error.

    Raises:
        ManifestError: It is no such condition.
    """

    def __init__(self, text: str, place: Place) -> None:
        self._text = text
        self._place = place
        self._tree = self._read()
        self._told = False

    def holds(self, names: Mapping[str, Any]) -> bool:
        """Return whether it is true; one that cannot be answered is not, and is logged once."""
        evaluator = EvalWithCompoundTypes(
            operators=_OPERATORS, functions=_FUNCTIONS, names={**_CONSTANTS, **names}
        )
        try:
            return bool(evaluator.eval(self._text, previously_parsed=self._tree))
        except Exception as error:  # noqa: BLE001 - values of the state may do anything
            self._tell(error)
            return False

    def _read(self) -> ast.expr:
        try:
            if len(self._text) > _LONGEST:
                raise ValueError("too long")
            tree = ast.parse(self._text.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise self._broken("a condition, as risk > 0.5") from error
        for node in ast.walk(tree):
            if not isinstance(node, _KNOWN) or isinstance(node, _SLOW):
                raise self._broken(f"a condition without {type(node).__name__}")
            if isinstance(node, ast.Call) and not _is_ours(node):
                raise self._broken(f"calls of {', '.join(sorted(_FUNCTIONS))} alone")
        without_fields: ast.Expression = _Fields().visit(tree)
        return without_fields.body

    def _broken(self, expected: str) -> ManifestError:
        place = self._place
        return ManifestError(
            f"expected {expected}", file=place.file, line=place.line, field=place.field
        )

    def _tell(self, error: Exception) -> None:
        if not self._told:
            self._told = True
            where = self._place.field or "an edge"
            # The message of the error may hold a value of the state; its kind cannot.
            _log.warning("the condition of %s does not hold: %s", where, type(error).__name__)


def _is_ours(call: ast.Call) -> bool:
    named = isinstance(call.func, ast.Name) and call.func.id in _FUNCTIONS
    return named and not call.keywords


class _Fields(ast.NodeTransformer):
    """Makes ``a.b`` of a text into ``a["b"]``."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        value = self.visit(node.value)
        return ast.Subscript(value=value, slice=ast.Constant(node.attr), ctx=ast.Load())
