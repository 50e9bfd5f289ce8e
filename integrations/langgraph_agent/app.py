"""An agent with two tools behind Cache Fabric: answers kept, prompt live, every run tracked."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from typing import Any

from langchain.agents import create_agent
from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool, tool

from cache_fabric import CacheFabric, create_cache_fabric
from cache_fabric.langchain import FabricCallbackHandler, FabricMiddleware

PROMPT = "router:support:system_prompt"
PRICE = "What does delivery of 3 kg to Norway cost?"
ORDER = "Where is order 1042?"

called: Counter[str] = Counter()


@tool
def delivery_price(weight_kg: int, country: str) -> str:
    """Price of a delivery; the same for the same weight and country."""
    called["delivery_price"] += 1
    return f"{4 + 2 * weight_kg} EUR to {country}"


@tool
def order_status(order: int) -> str:
    """Where an order is now; it changes, so it is asked each time."""
    called["order_status"] += 1
    return f"order {order} is on its way"


class SimulatedModel(BaseChatModel):
    """Calls the tool that a question is about, then says what the tool said."""

    model: str = "gpt-4o-mini"  # whose prices are used

    @property
    def _llm_type(self) -> str:
        return "simulated"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Runnable[Any, AIMessage]:
        """Take the tools' names, as far as a simulation needs to know them."""
        return self.bind(tools=[{"name": t.name} for t in tools if isinstance(t, BaseTool)])

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> ChatResult:
        called["model"] += 1
        last, numbers = messages[-1], re.findall(r"\d+", str(messages[-1].content))
        if isinstance(last, ToolMessage):
            answer = AIMessage(f"[simulated] {last.content}.")
        elif "order" in str(last.content):
            answer = _calling("order_status", {"order": int(numbers[0])})
        else:
            answer = _calling("delivery_price", {"weight_kg": int(numbers[0]), "country": "Norway"})
        tokens = {"input_tokens": 80, "output_tokens": 20, "total_tokens": 100}
        reason = "tool_calls" if answer.tool_calls else "stop"
        answer = answer.model_copy(
            update={"usage_metadata": tokens, "response_metadata": {"finish_reason": reason}}
        )
        return ChatResult(generations=[ChatGeneration(message=answer)])


def _calling(name: str, args: dict[str, Any]) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": args, "id": f"call_{name}"}])


def ask(agent: Any, fabric: CacheFabric, question: str) -> None:
    """Run the agent once and say what it cost."""
    called.clear()
    handler = FabricCallbackHandler(fabric, graph="support")
    done = agent.invoke({"messages": [HumanMessage(question)]}, {"callbacks": [handler]})
    fabric.sync.flush()
    state = fabric.sync.search_executions(graph="support", limit=1)[0].state
    print(f"{question}\n  {done['messages'][-1].content}")
    tools = called["delivery_price"] + called["order_status"]
    spent, saved = (_dollars(state[name]) for name in ("cost", "saved_cost"))
    versions = sorted({context["version"] for context in state["contexts"]})
    print(f"  prompt {versions} | model calls {called['model']} | tool runs {tools}", end=" | ")
    print(f"hits {state['hits']}, misses {state['misses']} | spent {spent}, saved {saved}")


def _dollars(amount: float | None) -> str:
    return "unknown" if amount is None else f"${amount:.6f}"


def main() -> None:
    """Ask, ask again, publish another prompt, take it back."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", help="a real model, such as openai:gpt-4o-mini")
    options.add_argument("--fabric", default="memory", help="memory, or a Redis URL")
    given = options.parse_args()
    model = init_chat_model(given.model) if given.model else SimulatedModel()
    print(f"model: {given.model or 'simulated, priced as gpt-4o-mini'}")

    preset = {"url": given.fabric} if "://" in given.fabric else {}
    fabric = create_cache_fabric("redis" if preset else given.fabric, **preset)
    middleware = FabricMiddleware(
        fabric, prompt_key=PROMPT, repeatable_tools=["delivery_price"], tool_ttl=3600
    )
    agent = create_agent(model, [delivery_price, order_status], middleware=[middleware])
    with fabric.sync as contexts:
        first = contexts.set_context(PROMPT, "You are the support of a shop.").version
        print("\n-- asked twice: a repeatable tool")
        ask(agent, fabric, PRICE)
        ask(agent, fabric, PRICE)
        print("\n-- asked twice: a tool whose result changes runs each time")
        ask(agent, fabric, ORDER)
        ask(agent, fabric, ORDER)
        contexts.set_context(PROMPT, "You are the support of a shop. Be brief.")
        print("\n-- another prompt: its answers are made anew, the tool's result is kept")
        ask(agent, fabric, PRICE)
        contexts.rollback_context(PROMPT, first)
        print("\n-- taken back: the old answers are there again")
        ask(agent, fabric, PRICE)


if __name__ == "__main__":
    main()
