"""Calls of a chat model with a text of the fabric: cached, and marked with the text's version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs

from cache_fabric.errors import ValidationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.langchain.chat_model import cached
from cache_fabric.nexus._state import QUESTIONS, as_text, conversation, names_in
from cache_fabric.nexus._texts import Text
from cache_fabric.options import CacheOptions
from cache_fabric.policy import ExactOnly
from cache_fabric.template import fill_known, variables

__all__ = ["Model", "Models"]

Model = BaseChatModel | Callable[[str | None], BaseChatModel]
"""One for all nodes; or a function of the name in the manifest, ``None`` where that has none."""


class Models:
    """The chat models of a runtime, each wrapped once.

    Args:
        fabric: Keeps their answers.
        model: As `ManifestRuntime` takes it.
        options: Of every request.
    """

    def __init__(self, fabric: CacheFabric, model: Model, options: CacheOptions) -> None:
        self._fabric = fabric
        self._given = model
        self._options = options
        # Asked alone, a filled text is all of the question: by meaning, another version of it would
        # be found as a question like it.
        self._exactly = replace(options, policy=ExactOnly())
        self._wrapped: dict[tuple[str | None, bool], BaseChatModel] = {}
        if not isinstance(model, BaseChatModel) and not callable(model):
            raise ValidationError(
                "model", f"expected a chat model or a function, got {type(model).__name__}"
            )

    async def ask(
        self, name: str | None, text: Text, state: Mapping[str, Any], config: RunnableConfig
    ) -> AIMessage:
        """Return what a model answers to a conversation under a text.

        Raises:
            ValidationError: There is nothing to answer: no conversation, and a text without
                variables.
        """
        names = names_in(state)
        used = {one: as_text(names[one]) for one in variables(text.value) if one in names}
        rendered, said = fill_known(text.value, used), conversation(state)
        if not said and not used:
            expected = f"expected messages, or text as {', '.join(QUESTIONS)}"
            raise ValidationError("input_data", expected)
        messages = [SystemMessage(rendered), *said] if said else [HumanMessage(rendered)]
        marked = merge_configs(config, {"metadata": text.marks})
        return await self._model(name, exactly=not said).ainvoke(messages, marked)

    def _model(self, name: str | None, *, exactly: bool) -> BaseChatModel:
        if (name, exactly) not in self._wrapped:
            given = self._given
            made = given if isinstance(given, BaseChatModel) else given(name)
            options = self._exactly if exactly else self._options
            self._wrapped[name, exactly] = cached(made, self._fabric, options=options)
        return self._wrapped[name, exactly]
