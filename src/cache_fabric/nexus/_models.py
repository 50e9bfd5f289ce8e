"""Calls of a chat model with a text of the fabric: cached, and marked with the text's version."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs

from cache_fabric.errors import ValidationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.langchain._fresh import MARK
from cache_fabric.langchain._template import filled_from
from cache_fabric.langchain.chat_model import cached
from cache_fabric.langchain.live_prompt import CONTEXT_MARK
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
        # A text that is asked is the question: by meaning, another version of it would be found as
        # a question like it.
        self._exactly = replace(options, policy=ExactOnly())
        self._wrapped: dict[tuple[str | None, bool, bool], BaseChatModel] = {}
        if not isinstance(model, BaseChatModel) and not callable(model):
            raise ValidationError(
                "model", f"expected a chat model or a function, got {type(model).__name__}"
            )

    async def ask(
        self,
        name: str | None,
        texts: Sequence[Text],
        state: Mapping[str, Any],
        config: RunnableConfig,
        *,
        usable: Callable[[str], bool],
    ) -> AIMessage:
        """Return what a model answers; a kept answer that is not usable is replaced by another.

        One text is a system message over the conversation; without a conversation it is all that is
        asked. Of two, the second is asked under the first.

        Raises:
            ValidationError: There is nothing to answer: no conversation, and a text without
                variables.
        """
        names, said = names_in(state), conversation(state)
        used = [_used(text.value, names) for text in texts]
        rendered = [fill_known(text.value, one) for text, one in zip(texts, used, strict=True)]
        if len(rendered) > 1:
            messages: list[BaseMessage] = [SystemMessage(rendered[0]), HumanMessage(rendered[1])]
        elif said:
            messages = [SystemMessage(rendered[0]), *said]
        elif not used[0]:
            expected = f"expected messages, or text as {', '.join(QUESTIONS)}"
            raise ValidationError("input_data", expected)
        else:
            messages = [HumanMessage(rendered[0])]
        marks = [text.mark for text in texts if text.mark is not None]
        marked = merge_configs(config, {"metadata": {CONTEXT_MARK: marks}})
        is_question = len(rendered) > 1 or not said
        with filled_from(texts[0].value, used[0]):
            answer = await self._model(name, exactly=is_question).ainvoke(messages, marked)
            if MARK not in answer.response_metadata or usable(answer.text):
                return answer
            # It was kept before anybody could tell, and would fail the node every time.
            anew = self._model(name, exactly=is_question, refresh=True)
            return await anew.ainvoke(messages, marked)

    def _model(self, name: str | None, *, exactly: bool, refresh: bool = False) -> BaseChatModel:
        kind = (name, exactly, refresh)
        if kind not in self._wrapped:
            given = self._given
            made = given if isinstance(given, BaseChatModel) else given(name)
            options = self._exactly if exactly else self._options
            if refresh:
                options = replace(options, refresh=True)
            self._wrapped[kind] = cached(made, self._fabric, options=options)
        return self._wrapped[kind]


def _used(text: str, names: Mapping[str, Any]) -> dict[str, str]:
    return {name: as_text(names[name]) for name in variables(text) if name in names}
