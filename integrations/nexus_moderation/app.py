"""A manifest's moderation pipeline: compiled, run, changed while it runs, taken back, corrected."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from cache_fabric import CacheFabric, create_cache_fabric
from cache_fabric.nexus import ManifestRuntime, compile_manifest

HERE = Path(__file__).parent
PROMPT = "router:first_look:system_prompt"
STRICTER = """\
You look at posts of an allotment society's board before they appear.
Answer with one word: fine, doubtful or harmful.
Fine: gardening, questions, offers among members, honest complaints.
Doubtful: nothing; the committee is on holiday.
Harmful: threats, fraud, private data of others, advertising, offers.
"""
SECONDS = 0.02  # that the simulated model takes
AT_ONCE = 4
HALF = 50


class SimulatedModel(BaseChatModel):
    """Knows the verdict on every post, and what a prompt without a committee makes of it."""

    model: str = "gpt-4o-mini"  # whose prices are used
    verdicts: dict[str, str]

    @property
    def _llm_type(self) -> str:
        return "simulated"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError("the pipeline is asynchronous")

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        await asyncio.sleep(SECONDS)
        verdict = self.verdicts[messages[-1].text]
        if verdict == "doubtful" and "on holiday" in messages[0].text:
            verdict = "harmful"
        tokens = {"input_tokens": 110, "output_tokens": 1, "total_tokens": 111}
        answer = AIMessage(
            verdict, usage_metadata=tokens, response_metadata={"finish_reason": "stop"}
        )
        return ChatResult(generations=[ChatGeneration(message=answer)])


def house_rules(question: str) -> dict[str, int]:
    """Count links in a post: there must be none."""
    return {"violations": question.count(".example") + question.count("link in")}


class Board:
    """The running pipeline, and what became of each post.

    The tasks of the manifest's graph are plain functions of its state.
    """

    def __init__(self, fabric: CacheFabric, model: BaseChatModel) -> None:
        self.fabric = fabric
        self.decided: Counter[str] = Counter()
        self.half_way = asyncio.Event()
        self.runtime = ManifestRuntime(
            HERE / "manifest.yaml",
            fabric,
            model=model,
            tools={"house_rules": house_rules},
            tasks={
                "publish": lambda _: "published",
                "hold": lambda _: "held",
                "remove": lambda _: "removed",
                "record": self._record,
            },
        )

    async def moderate(self, number: int, post: str) -> str:
        """Run one post through the graph and say what was decided."""
        after = await self.runtime.execute(f"post-{number}", {"question": post})
        return str(after["decision"])

    async def run(self, posts: Iterable[tuple[int, str]]) -> None:
        """Run posts, a few at a time, as a board with several members does."""
        waiting = iter(posts)

        async def member() -> None:
            for number, post in waiting:
                await self.moderate(number, post)

        await asyncio.gather(*(member() for _ in range(AT_ONCE)))

    async def tell(self, number: int) -> str:
        """Say how one post went, as it was tracked without a line in the agent."""
        await self.fabric.flush()
        run = await self.fabric.get_execution(f"post-{number}")
        assert run is not None
        (context,) = run.state["contexts"]
        cache = next(step["cache"] for step in run.state["steps"] if step["kind"] == "model")
        served = cache.get("tier") or "model"
        way = " > ".join(run.state["nodes_executed"])
        return f"post {number}: prompt v{context['version']}, {cache['outcome']} ({served}): {way}"

    async def _record(self, state: dict[str, Any]) -> dict[str, str]:
        self.decided[state["output"]] += 1
        if self.decided.total() == HALF:
            self.half_way.set()
        return {"decision": state["output"]}

    async def summary(self) -> None:
        """Print how much was served, and what was decided so far."""
        metrics = await self.fabric.get_metrics()
        decided = ", ".join(f"{number} {what}" for what, number in sorted(self.decided.items()))
        print(f"{self.decided.total()} posts: hit rate {metrics['hit_rate']:.1f} %, {decided}")


def traffic(posts: list[dict[str, Any]]) -> list[str]:
    """Return 100 posts: every text once, the others drawn at random, the same in every run."""
    draw = random.Random(7)  # noqa: S311 - traffic, no secret
    texts = [text for post in posts for text in post["texts"]]
    drawn = texts + draw.choices(texts, k=100 - len(texts))
    draw.shuffle(drawn)
    return drawn


def first_look(name: str | None, posts: list[dict[str, Any]]) -> BaseChatModel:
    """Return the model that is asked: a real one by its name, else the simulated one."""
    if name is None:
        print(f"model: simulated, {SECONDS * 1e3:.0f} ms a call, priced as gpt-4o-mini")
        verdicts = {text: post["verdict"] for post in posts for text in post["texts"]}
        return SimulatedModel(verdicts=verdicts)
    from langchain.chat_models import init_chat_model

    print(f"model: {name}")
    return init_chat_model(name)


async def main() -> None:
    """Compile, run 100 posts, publish in the middle, roll back, give feedback."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", help="a real model, such as openai:gpt-4o-mini")
    options.add_argument("--fabric", default="memory", help="memory, or a Redis URL")
    given = options.parse_args()
    posts = json.loads((HERE / "posts.json").read_text())
    preset = {"url": given.fabric} if "://" in given.fabric else {}
    async with create_cache_fabric("redis" if preset else given.fabric, **preset) as fabric:
        await story(fabric, first_look(given.model, posts), posts)


async def story(fabric: CacheFabric, model: BaseChatModel, posts: list[dict[str, Any]]) -> None:
    """Tell it in order; each line is what was tracked."""
    done = await compile_manifest(HERE / "manifest.yaml", fabric)
    at = "all as they were" if done.revision is None else f"at revision {done.revision}"
    print(f"compiled: {len(done.versions)} contexts, {at}")
    compiled = done.versions[PROMPT]
    board, stream = Board(fabric, model), list(enumerate(traffic(posts), 1))
    doubtful = {post["texts"][0] for post in posts if post["verdict"] == "doubtful"}
    offer = next(post for _, post in stream if post in doubtful)

    running = asyncio.create_task(board.run(stream))
    await board.half_way.wait()
    published = await fabric.set_context(PROMPT, STRICTER, message="the committee is on holiday")
    print(f"published v{published.version} while the posts were running")
    await board.moderate(101, offer)
    print(await board.tell(101))
    await running
    await board.summary()

    await fabric.rollback_context(PROMPT, compiled, message="the committee is back")
    print(f"rolled back to v{compiled}: its answers are served again")
    await board.moderate(102, offer)
    print(await board.tell(102))

    await board.runtime.record_feedback("post-102", {"user_rating": 1, "correction": "fine"})
    print("told that this was wrong, and that it is fine")
    await board.moderate(103, offer)
    print(await board.tell(103))


if __name__ == "__main__":
    asyncio.run(main())
