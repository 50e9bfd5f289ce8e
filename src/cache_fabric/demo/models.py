"""The two models that the demo can ask: a simulated one that says so, and a real one by LiteLLM."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, convert_to_openai_messages
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from cache_fabric.errors import MissingExtraError

__all__ = ["LiteLLMChatModel", "SimulatedChatModel"]


class SimulatedChatModel(BaseChatModel):
    """Answers from a table after a stated time, with the real token counts of both texts."""

    model: str
    """Name under which the tokens are priced."""
    seconds: float
    _answers: Mapping[tuple[str, str], str] = PrivateAttr()
    _count: Callable[[str], int] = PrivateAttr()

    def __init__(
        self,
        answers: Mapping[tuple[str, str], str],
        count: Callable[[str], int],
        **fields: Any,
    ) -> None:
        super().__init__(**fields)
        self._answers = answers
        self._count = count

    @property
    def _llm_type(self) -> str:
        return "simulated"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"model": self.model}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        time.sleep(self.seconds)
        system, question = (str(message.content) for message in messages)
        answer = self._answers[system, question]
        asked = sum(self._count(str(message.content)) for message in messages)
        return _result(answer, asked, self._count(answer), "stop")


class LiteLLMChatModel(BaseChatModel):
    """Any model that LiteLLM can call; keys come from the environment, as LiteLLM reads them."""

    model: str

    @property
    def _llm_type(self) -> str:
        return "litellm"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"model": self.model}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        try:
            import litellm
        except ImportError as error:
            raise MissingExtraError("litellm", "demo --model") from error
        response: Any = litellm.completion(
            model=self.model, messages=convert_to_openai_messages(messages), stop=stop, **kwargs
        )
        choice, usage = response.choices[0], response.usage
        return _result(
            choice.message.content or "",
            usage.prompt_tokens,
            usage.completion_tokens,
            choice.finish_reason,
        )


def _result(text: str, asked: int, answered: int, finish: str) -> ChatResult:
    usage = UsageMetadata(input_tokens=asked, output_tokens=answered, total_tokens=asked + answered)
    message = AIMessage(
        content=text, usage_metadata=usage, response_metadata={"finish_reason": finish}
    )
    return ChatResult(generations=[ChatGeneration(message=message)])
