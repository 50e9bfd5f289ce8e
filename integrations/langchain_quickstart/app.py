"""Asks questions through ``prompt | model | parser`` behind a Cache Fabric kept in a folder."""

from __future__ import annotations

import argparse
import time

from langchain_core.language_models import BaseChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from cache_fabric import FabricConfig, create_cache_fabric
from cache_fabric.demo.models import LiteLLMChatModel, SimulatedChatModel
from cache_fabric.demo.tokens import token_counter
from cache_fabric.instrumentation.events import Event, LookupEvent
from cache_fabric.langchain import FabricCache

SYSTEM = "You are the support assistant of a shop for camping gear. Answer in one sentence."
QUESTIONS = [
    "Is delivery free for an order over £50?",
    "Is delivery free for an order over £50?",
    "Would delivery be free for an order over £50?",
    "Is delivery free for an order over £30?",
]

options = argparse.ArgumentParser(description=__doc__)
options.add_argument("questions", nargs="*", default=QUESTIONS)
options.add_argument("--model", help="a real model through LiteLLM, such as gpt-4o-mini")
options.add_argument("--path", default=".cache_fabric", help="folder that keeps the answers")
given = options.parse_args()

echo = {(SYSTEM, text): f"[simulated] an answer to: {text}" for text in given.questions}
model: BaseChatModel = (
    LiteLLMChatModel(model=given.model)
    if given.model
    else SimulatedChatModel(echo, token_counter()[0], model="gpt-4o-mini", seconds=0.5)
)
print(f"model: {given.model or 'simulated, 0.5 s a call, priced as gpt-4o-mini'}\n")

events: list[Event] = []
patient = FabricConfig(exact_timeout=5, semantic_timeout=5)  # a script may wait, a server may not
fabric = create_cache_fabric("local", path=given.path, hooks=[events.append], config=patient)
model.cache = FabricCache(fabric)
prompt = ChatPromptTemplate.from_messages([("system", SYSTEM), ("user", "{question}")])
chain = prompt | model | StrOutputParser()

with fabric.sync:
    for question in given.questions:
        started = time.perf_counter()
        answer = chain.invoke({"question": question})
        milliseconds = 1e3 * (time.perf_counter() - started)
        lookup = [event for event in events if isinstance(event, LookupEvent)][-1]
        near = "none" if lookup.similarity is None else f"{lookup.similarity:.2f}"
        tier = lookup.tier or "none, the model was called"
        print(f"{question}\n  {answer}")
        print(f"  tier {tier} | similarity {near} | {milliseconds:.1f} ms | {lookup.reason}")
        fabric.sync.flush()  # the next wording may come sooner than the index is written
    metrics = fabric.sync.get_metrics()

dollars = metrics["cost_saved"]
money = "price unknown" if dollars is None else f"${dollars:.6f}"
print(f"\nso far {metrics['hits']} of {metrics['requests']} from the cache", end="")
print(f" | saved {metrics['tokens_saved']} tokens, {money}")
