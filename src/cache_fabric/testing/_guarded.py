"""A contract suite that cannot be quietly weakened, after langchain-tests' ``base.py``."""

from __future__ import annotations

import inspect

__all__ = ["refuse_weakening"]


def refuse_weakening(cls: type, contract: type, of: str) -> None:
    """Raise ``TypeError`` if a subclass replaces a standard test without an explained xfail."""
    weakened = [
        name
        for name in dir(contract)
        if name.startswith("test_") and not _is_standard_or_explained(cls, contract, name)
    ]
    if weakened:
        raise TypeError(
            f"{cls.__name__} replaces standard tests of the {of} contract: {weakened}. "
            'Mark a known failure with @pytest.mark.xfail(reason="...") instead.'
        )


def _is_standard_or_explained(cls: type, contract: type, name: str) -> bool:
    test = inspect.getattr_static(cls, name)
    if test is inspect.getattr_static(contract, name):
        return True
    marks = getattr(test, "pytestmark", [])
    return any(mark.name == "xfail" and mark.kwargs.get("reason") for mark in marks)
