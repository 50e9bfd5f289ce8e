"""Live instructions for agents of other frameworks: the OpenAI Agents SDK, and any middleware."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware.types import AgentMiddleware, ModelRequest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from cache_fabric import CacheFabric, create_cache_fabric
from cache_fabric.nexus import get_router_prompt_from_fabric

ROUTER = "desk"
OWN = "You answer for the desk."
QUESTION = "When do you open?"


def live_instructions(fabric: CacheFabric) -> Callable[[Any, Any], Awaitable[str | None]]:
    """Return ``Agent(instructions=...)``: the SDK calls it before each call of the model."""

    async def instructions(_context: Any, _agent: Any) -> str | None:
        return await get_router_prompt_from_fabric(ROUTER, fabric, OWN)

    return instructions


class LivePrompt(AgentMiddleware):
    """The same for ``create_agent``; `FabricMiddleware` also caches, pins and tracks."""

    def __init__(self, fabric: CacheFabric) -> None:
        super().__init__()
        self._fabric = fabric

    async def awrap_model_call(self, request: ModelRequest, handler: Any) -> Any:
        """Call the model with the current prompt."""
        prompt = await get_router_prompt_from_fabric(ROUTER, self._fabric, OWN)
        return await handler(request.override(system_message=SystemMessage(prompt)))


async def openai_agent(fabric: CacheFabric) -> Callable[[], Awaitable[str]]:
    """Return what asks an agent of the OpenAI Agents SDK; its model is simulated."""
    from agents import Agent, Model, ModelResponse, Runner, Usage, set_tracing_disabled
    from openai.types.responses import ResponseOutputMessage, ResponseOutputText

    class Simulated(Model):
        async def get_response(self, system_instructions: str | None, *_: Any, **__: Any) -> Any:
            text = ResponseOutputText(
                text=f"[simulated] {system_instructions}", type="output_text", annotations=[]
            )
            message = ResponseOutputMessage(
                id="1", content=[text], role="assistant", status="completed", type="message"
            )
            return ModelResponse(output=[message], usage=Usage(), response_id=None)

        def stream_response(self, *_: Any, **__: Any) -> Any:
            raise NotImplementedError

    set_tracing_disabled(True)
    agent = Agent(name="desk", instructions=live_instructions(fabric), model=Simulated())

    async def ask() -> str:
        return str((await Runner.run(agent, QUESTION)).final_output)

    return ask


async def langchain_agent(fabric: CacheFabric) -> Callable[[], Awaitable[str]]:
    """Return what asks an agent of LangChain; its model is simulated."""

    class Simulated(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "simulated"

        def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
            answer = AIMessage(f"[simulated] {messages[0].text}")
            return ChatResult(generations=[ChatGeneration(message=answer)])

    agent: Any = create_agent(Simulated(), [], middleware=[LivePrompt(fabric)])

    async def ask() -> str:
        done = await agent.ainvoke({"messages": [("user", QUESTION)]})
        return str(done["messages"][-1].text)

    return ask


async def main() -> None:
    """Ask each agent, publish, ask again: neither is built anew."""
    hosts = {"AgentMiddleware": langchain_agent}
    if importlib.util.find_spec("agents") is None:
        print("OpenAI Agents SDK: left out, it is not installed (pip install openai-agents)")
    else:
        hosts["OpenAI Agents SDK"] = openai_agent
    async with create_cache_fabric("memory") as fabric:
        for name, host in hosts.items():
            ask = await host(fabric)
            for text in (None, "You answer for the desk, in one word."):
                if text is not None:
                    await fabric.set_context(f"router:{ROUTER}:system_prompt", text)
                print(f"{name}: {await ask()}")
            await fabric.delete_context(f"router:{ROUTER}:system_prompt")


if __name__ == "__main__":
    asyncio.run(main())
