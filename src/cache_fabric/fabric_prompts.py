"""The facade's door to prompts of a host: contexts as something that a chain can run."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cache_fabric.types import ContextScope

if TYPE_CHECKING:
    from langchain_core.prompt_values import PromptValue
    from langchain_core.runnables import Runnable

__all__ = ["PromptMethods"]

_HOST = "cache_fabric.langchain"  # above the facade, so it is named and not imported


class PromptMethods:
    """Contexts as prompts."""

    def prompt(
        self,
        key: str,
        *,
        scope: ContextScope | None = None,
        tenant: str | None = None,
        user: str | None = None,
        execution_id: str | None = None,
        version: int | None = None,
        label: str | None = None,
        max_staleness: float | None = None,
        **variables: Any,
    ) -> Runnable[Any, PromptValue]:
        """Return a LangChain ``Runnable`` that yields the messages of a context as it then is.

        The named arguments say which version, as in ``get_context``; all others are variables of
        the prompt. A variable that has one of these names, ``{user}`` say, comes from the input.
        See `cache_fabric.langchain.FabricPrompt`.

        Raises:
            MissingExtraError: LangChain is not installed.
            ValidationError: The key is none.
        """
        asked = {
            "scope": scope,
            "tenant": tenant,
            "user": user,
            "execution_id": execution_id,
            "version": version,
            "label": label,
            "max_staleness": max_staleness,
        }
        made: Runnable[Any, PromptValue] = import_module(_HOST).FabricPrompt(
            self, key, asked, variables
        )
        return made
