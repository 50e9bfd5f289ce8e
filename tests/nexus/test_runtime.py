"""A graph of a manifest runs as the manifest says, with its prompts out of the fabric."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from cache_fabric import CacheFabric, ContextScope, ExactOnly, Threshold, create_cache_fabric
from cache_fabric.errors import ManifestError, ValidationError
from cache_fabric.nexus.formats import read_manifest
from cache_fabric.nexus.manifest import Edge, Manifest, Node, Place, Tool
from cache_fabric.nexus.runtime import ManifestRuntime
from nexus.running import TRIAGE, edge, graph, manifest, model, router, task

KEY = "router:triage:system_prompt"
GOLDEN = Path(__file__).parent / "golden" / "universal_agent"


@pytest.fixture
async def fabric() -> AsyncIterator[CacheFabric]:
    async with create_cache_fabric("memory", policy=ExactOnly()) as made:
        yield made


def say(text: str) -> Any:
    return lambda _: text


# The way


async def test_the_answer_of_a_router_chooses_the_way(fabric: CacheFabric) -> None:
    went: list[str] = []
    runtime = ManifestRuntime(
        TRIAGE,
        fabric,
        model=model(lambda messages: messages[-1].text),
        tasks={
            "praise": lambda state: went.append("praise"),
            "complaint": lambda state: went.append("complaint"),
        },
    )
    for said in ("praise", "complaint", "praise"):
        await runtime.execute(f"run-{len(went)}", {"input": said})
    assert went == ["praise", "complaint", "praise"]


async def test_a_label_is_no_part_of_the_conversation_but_an_answer_is(fabric: CacheFabric) -> None:
    nodes = [router("triage"), router("reply")]
    chat = manifest(
        graph(nodes, [edge("triage", "reply", "faq")]), prompts={"triage": "T", "reply": "R"}
    )
    runtime = ManifestRuntime(
        chat, fabric, model=model(lambda m: "faq" if m[0].text == "T" else "Hello.")
    )
    after = await runtime.execute("run", {"messages": [("user", "Hi")]})
    assert [message.text for message in after["messages"]] == ["Hi", "Hello."]
    assert after["node_outputs"] == {"triage": "faq", "reply": "Hello."}
    assert after["output"] == "Hello."


async def test_no_route_named_is_an_error_that_an_edge_can_take(fabric: CacheFabric) -> None:
    lost = model(say("I cannot tell."))
    runtime = ManifestRuntime(TRIAGE, fabric, model=lost)
    with pytest.raises(ValidationError, match="triage: expected one of praise, complaint"):
        await runtime.execute("one", {"input": "Hm"})
    (drawn,) = TRIAGE.graphs
    caught = manifest(
        graph([*drawn.nodes, task("ask")], [*drawn.edges, edge("triage", "ask", trigger="error")]),
        prompts={"triage": "Say it."},
    )
    runtime = ManifestRuntime(caught, fabric, model=lost, tasks={"ask": lambda _: "asked"})
    after = await runtime.execute("two", {"input": "Hm"})
    assert (after["output"], after["error"]["node"]) == ("asked", "triage")


async def test_a_kept_answer_that_names_no_route_is_asked_for_anew(fabric: CacheFabric) -> None:
    answers = iter(["I cannot tell.", "praise"])
    moody = model(lambda _: next(answers))
    runtime = ManifestRuntime(TRIAGE, fabric, model=moody)
    with pytest.raises(ValidationError, match="expected one of praise, complaint"):
        await runtime.execute("one", {"input": "Hm"})
    for name in ("two", "three"):
        assert (await runtime.execute(name, {"input": "Hm"}))["output"] == "praise"
    assert len(moody.calls) == 2


async def test_an_expression_looks_at_the_state_and_at_what_was_said(fabric: CacheFabric) -> None:
    drawn = graph(
        [task("score"), task("high"), task("low")],
        [
            edge("score", "high", expression="risk > 0.5 and output.kind == 'spam'"),
            edge("score", "low"),
        ],
    )

    async def score(state: dict[str, Any]) -> dict[str, Any]:
        return {"risk": state["given"], "output": {"kind": "spam"}}

    runtime = ManifestRuntime(
        manifest(drawn),
        fabric,
        model=model(),
        tasks={"score": score, "high": lambda _: "high", "low": lambda _: "low"},
    )
    said = [(await runtime.execute("r", {"given": n}))["output"] for n in (0.9, 0.1)]
    assert said == ["high", "low"]


async def test_a_task_may_be_anything_that_can_be_called_or_awaited(fabric: CacheFabric) -> None:
    class Later:
        async def __call__(self, state: dict[str, Any]) -> str:
            return "later"

    for given in (Later(), lambda state: Later()(state), lambda state: "later"):
        runtime = ManifestRuntime(
            manifest(graph([task("work")], [])), fabric, model=model(), tasks={"work": given}
        )
        assert (await runtime.execute("run", {}))["output"] == "later"


async def test_an_error_without_an_edge_comes_out_as_it_is(fabric: CacheFabric) -> None:
    def fail(_: dict[str, Any]) -> None:
        raise KeyError("mine")

    runtime = ManifestRuntime(
        manifest(graph([task("work")], [])), fabric, model=model(), tasks={"work": fail}
    )
    with pytest.raises(KeyError, match="mine"):
        await runtime.execute("run", {})


# What a model is asked


async def test_a_publish_changes_the_next_call(fabric: CacheFabric) -> None:
    asked = model(say("praise"))
    runtime = ManifestRuntime(TRIAGE, fabric, model=asked)
    await runtime.execute("zero", {"input": "Good!"})
    for text in ("First.", "Second."):
        await fabric.set_context(KEY, text)
        await runtime.execute(text, {"input": "Good!"})
    assert asked.prompts == ["Say praise or complaint.", "First.", "Second."]


async def test_a_tenant_has_its_own_prompt_and_its_own_answers(fabric: CacheFabric) -> None:
    asked = model(say("praise"))
    runtime = ManifestRuntime(TRIAGE, fabric, model=asked)
    await fabric.set_context(KEY, "For all.")
    await fabric.set_context(KEY, "For acme.", ContextScope.TENANT, tenant="acme")
    for tenant in ("acme", "other", None, "acme"):
        await runtime.execute("run", {"input": "Good!"}, tenant=tenant)
    assert asked.prompts == ["For acme.", "For all.", "For all."]


async def test_the_same_question_is_answered_from_the_cache(fabric: CacheFabric) -> None:
    asked = model(say("praise"))
    runtime = ManifestRuntime(TRIAGE, fabric, model=asked)
    for number in range(3):
        await runtime.execute(f"run-{number}", {"messages": [HumanMessage("Good!")]})
    assert len(asked.calls) == 1


async def test_a_prompt_is_filled_from_the_state_and_other_braces_stay(fabric: CacheFabric) -> None:
    key = "node:main:sum:prompt"
    drawn = graph([task("find"), task("sum")], [edge("find", "sum")])
    asked = model()
    runtime = ManifestRuntime(
        manifest(drawn, texts={key: 'Sum {find} up for {{ who }} as {"text": {unknown}}.'}),
        fabric,
        model=asked,
        tasks={"find": lambda _: ["a", 1]},
    )
    after = await runtime.execute("run", {"who": "Ann"})
    assert after["output"] == 'Sum ["a", 1] up for Ann as {"text": {unknown}}.'
    assert [type(message) for message in asked.calls[0]] == [HumanMessage]


async def test_a_filled_prompt_is_known_as_its_context(fabric: CacheFabric) -> None:
    """A cosmetic version keeps its answers, other variables do not share them, and so on."""
    asked = model(say("praise"))
    runtime = ManifestRuntime(TRIAGE, fabric, model=asked)

    async def ask(who: str) -> int:
        await runtime.execute("run", {"input": "Good!", "who": who})
        return len(asked.calls)

    await fabric.set_context(KEY, "Help {who}.")
    assert [await ask("Ann"), await ask("Ann"), await ask("Bob")] == [1, 1, 2]
    await fabric.set_context(KEY, "Help  {who}!", change="cosmetic")
    assert [await ask("Ann"), await ask("Bob")] == [2, 2]
    await fabric.set_context(KEY, "Help {who} now.")
    assert [await ask("Ann"), await ask("Ann")] == [3, 3]
    await fabric.invalidate(context=KEY)
    assert await ask("Ann") == 4


async def test_a_filled_prompt_alone_is_never_answered_by_meaning() -> None:
    """It is all of the question, so that another version would be a question like it."""
    key = "node:main:sum:prompt"
    drawn = manifest(graph([task("sum")], []), texts={key: "Sum the post up: {post}"})
    asked = model()
    async with create_cache_fabric("memory", policy=Threshold(0.5)) as fabric:
        runtime = ManifestRuntime(drawn, fabric, model=asked)
        for text in ("Sum the post up: {post}", "Please sum the post up: {post}"):
            await fabric.set_context(key, text)
            for _ in range(2):
                await runtime.execute("run", {"post": "My dog has run away."})
    assert len(asked.calls) == 2


async def test_a_task_with_two_texts_asks_the_one_under_the_other(fabric: CacheFabric) -> None:
    texts = {
        "node:main:sum:system_prompt": "Be brief.",
        "node:main:sum:prompt": "Sum the post up: {post}",
    }
    asked = model()
    runtime = ManifestRuntime(manifest(graph([task("sum")], []), texts=texts), fabric, model=asked)
    await runtime.execute("run", {"post": "Hi."})
    ((system, question),) = asked.calls
    assert (system.text, question.text) == ("Be brief.", "Sum the post up: Hi.")


async def test_nothing_to_answer_is_told(fabric: CacheFabric) -> None:
    runtime = ManifestRuntime(TRIAGE, fabric, model=model())
    with pytest.raises(ValidationError, match="input_data: expected messages, or text as input"):
        await runtime.execute("run", {"text": "Good!"})


async def test_a_function_makes_the_model_that_the_manifest_names(fabric: CacheFabric) -> None:
    named: list[str | None] = []

    def make(name: str | None) -> Any:
        named.append(name)
        return model(say("done"))

    drawn = graph([task("one", model="small"), task("two")], [edge("one", "two")])
    texts = {"node:main:one:prompt": "One {x}.", "node:main:two:prompt": "Two {x}."}
    runtime = ManifestRuntime(manifest(drawn, texts=texts), fabric, model=make)
    for number in range(2):
        await runtime.execute("run", {"x": number})
    assert named == ["small", None]


@pytest.mark.parametrize("value", [{"not": "text"}, None])
async def test_what_is_no_text_leaves_the_text_of_the_manifest(
    fabric: CacheFabric, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    if value is not None:
        await fabric.set_context(KEY, value)
    asked = model(say("praise"))
    runtime = ManifestRuntime(TRIAGE, fabric, model=asked)
    for number in range(2):
        await runtime.execute("run", {"input": f"Good {number}!"})
    assert asked.prompts == ["Say praise or complaint."] * 2
    assert [KEY in message for message in caplog.messages] == [True]


async def test_a_closed_fabric_stops_no_agent() -> None:
    fabric = create_cache_fabric("memory", policy=ExactOnly())
    asked = model(say("praise"))
    runtime = ManifestRuntime(TRIAGE, fabric, model=asked)
    await fabric.aclose()
    assert (await runtime.execute("run", {"input": "Good!"}))["output"] == "praise"


# Tools, people, graphs in graphs

SEARCH = Tool(name="search", key="tool:search:definition", description="Find articles.")


def searching(**config: Any) -> Manifest:
    node = Node(id="find", kind="tool", ref="search", config=config)
    return manifest(graph([node], []), tools=[SEARCH])


async def test_a_tool_is_given_what_the_state_has_and_the_question(fabric: CacheFabric) -> None:
    def search(query: str, limit: int = 5) -> dict[str, Any]:
        return {"found": [query] * limit}

    runtime = ManifestRuntime(searching(), fabric, model=model(), tools={"search": search})
    talk = [HumanMessage("Where?"), AIMessage("Let me see.")]
    after = await runtime.execute("run", {"messages": talk, "limit": 2})
    assert after["output"] == {"found": ["Where?", "Where?"]}


async def test_inputs_and_output_map_say_what_goes_in_and_where_it_comes_out(
    fabric: CacheFabric,
) -> None:
    @tool
    async def search(query: str, limit: int) -> dict[str, Any]:
        """Find."""
        return {"count": limit, "text": query}

    config = {"inputs": {"query": "$user.name", "limit": 3}, "output_map": {"count": "found"}}
    runtime = ManifestRuntime(searching(**config), fabric, model=model(), tools=[search])
    after = await runtime.execute("run", {"user": {"name": "Ann"}})
    assert (after["found"], after["output"]["text"]) == (3, "Ann")
    assert "count" not in after


def asking() -> Manifest:
    node = Node(id="review", kind="human")
    ways = [
        edge("review", "publish", trigger="approval"),
        edge("review", "drop", trigger="rejection"),
    ]
    texts = {"node:main:review:human_prompt": "Publish it?"}
    return manifest(graph([node, task("publish"), task("drop")], ways), texts=texts)


@pytest.mark.parametrize(
    ("answer", "went"),
    [(True, "published"), ("Reject", "dropped"), ({"approved": True}, "published")],
)
async def test_a_person_is_asked_and_decides(fabric: CacheFabric, answer: Any, went: str) -> None:
    runtime = ManifestRuntime(
        asking(),
        fabric,
        model=model(),
        tasks={"publish": lambda _: "published", "drop": lambda _: "dropped"},
        checkpointer=InMemorySaver(),
    )
    waiting = await runtime.execute("run", {"input": "Hi"})
    (asked,) = waiting["__interrupt__"]
    assert asked.value == {"graph": "main", "node": "review", "prompt": "Publish it?"}
    after = await runtime.execute("run", Command(resume=answer))
    assert after["output"] == went


async def test_a_graph_calls_another_and_goes_on_with_its_state(fabric: CacheFabric) -> None:
    inner = graph([router("triage"), task("end")], [edge("triage", "end")], name="inner")
    calling = [Node(id="call", kind="subgraph", ref="inner"), task("after")]
    outer = graph(calling, [edge("call", "after")], name="outer")
    runtime = ManifestRuntime(
        manifest(inner, outer, prompts={"triage": "T"}),
        fabric,
        model=model(say("inner answer")),
        tasks={"after": lambda state: f"after {state['output']}"},
    )
    assert runtime.graph_name == "outer"
    after = await runtime.execute("run", {"messages": [("user", "Hi")]})
    assert after["output"] == "after inner answer"
    assert len(after["messages"]) == 2


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.yaml")))
async def test_every_graph_of_the_manifests_that_are_read_can_be_run(
    fabric: CacheFabric, path: Path
) -> None:
    read = read_manifest(path)
    tools = {name: lambda **given: given for name in read.tools}
    for drawn in read.graphs:
        runtime = ManifestRuntime(
            read,
            fabric,
            model=model(),
            tools=tools,
            graph=drawn.name,
            checkpointer=InMemorySaver(),
        )
        nodes = {node.id for node in drawn.nodes}
        assert nodes == set(runtime.graph.get_graph().nodes) - {"__start__", "__end__"}


# What cannot be run


def broken(**fields: Any) -> Manifest:
    place = Place(file="m.yaml", line=4, field="graphs[0].edges[0]")
    return manifest(graph([task("a")], [Edge(source="a", target="b", place=place)]), **fields)


def calling_itself() -> Manifest:
    return manifest(graph([Node(id="n", kind="subgraph", ref="main")], []))


@pytest.mark.parametrize(
    ("given", "options", "error", "text"),
    [
        (TRIAGE, {"pin": "week"}, ValidationError, "pin: expected live or run"),
        (TRIAGE, {"graph": "other"}, ValidationError, "graph: expected one of main, got 'other'"),
        (TRIAGE, {"tasks": {"prase": len}}, ValidationError, "tasks: expected ids of"),
        (TRIAGE, {"tasks": {"praise": "x"}}, ValidationError, "tasks: expected functions"),
        (TRIAGE, {"tools": {"search": len}}, ValidationError, "tools: expected tools of"),
        (TRIAGE, {"model": "gpt"}, ValidationError, "model: expected a chat model"),
        (searching(), {}, ValidationError, "tools: expected 'search', which 'find' calls"),
        (asking(), {}, ValidationError, "checkpointer: expected one"),
        (manifest(), {}, ValidationError, "graph: expected one of a manifest that has graphs"),
        (broken(), {}, ManifestError, r"m.yaml:4: graphs\[0\].edges\[0\]: expected nodes"),
        (calling_itself(), {}, ManifestError, "does not lead back to 'main'"),
        (manifest(graph([router("x")], [])), {}, ManifestError, "expected a router that is there"),
        (manifest(graph([task("a:b")], [])), {}, ManifestError, "another id"),
        (
            manifest(graph([Node(id="n", kind="subgraph", ref="no")], [])),
            {},
            ManifestError,
            "expected a graph that is there, got 'no'",
        ),
    ],
)
async def test_what_cannot_be_run_is_told_at_once(
    fabric: CacheFabric, given: Manifest, options: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        ManifestRuntime(given, fabric, **{"model": model(), **options})
