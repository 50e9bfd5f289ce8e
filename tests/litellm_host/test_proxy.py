"""A real LiteLLM proxy of two workers with ``fabric_hook``: what its clients get, and what is kept.

Every question is asked in one test only: the proxy and its Redis are the same for all of them.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from cache_fabric import CacheFabric, FabricConfig, create_cache_fabric
from cache_fabric.langchain import FabricCache
from cache_fabric.web import create_app
from fake_openai import serving
from fake_openai._chat import read
from fake_openai._mind import think
from litellm_host.asking import asked, eventually, text_of_stream
from litellm_host.proxies import CANARIES, Proxy, Said, proxying
from servers import Server, running

pytestmark = pytest.mark.timeout(300)

# Budgets that a busy machine keeps; what they are for is tested in test_proxy_faults.py.
PATIENT: dict[str, Any] = {"exact_timeout": 10.0, "semantic_timeout": 10.0}


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("proxy")
    with serving() as upstream, running(folder / "redis", "--appendonly", "yes") as redis:
        section = {"backend": "redis", "url": redis.url, "similarity": 0.9, "limits": PATIENT}
        with proxying(folder, upstream, redis, workers=2, cache_fabric=section) as made:
            yield made


@pytest.fixture(scope="module")
def beside(proxy: Proxy) -> Iterator[CacheFabric]:
    """A fabric of this process over the proxy's Redis."""
    fabric = create_cache_fabric(
        "redis", url=proxy.redis.url, similarity_threshold=0.9, config=FabricConfig(**PATIENT)
    )
    yield fabric
    fabric.sync.close()


def ask_until_hit(proxy: Proxy, text: Any, **arguments: Any) -> Said:
    """Ask, and again until it is a hit: the answer is kept behind the response."""
    first = proxy.ask(text, **arguments)
    assert first.fabric() == "miss"
    said = first

    def served() -> bool:
        nonlocal said
        said = proxy.ask(text, **arguments)
        return said.fabric() == "hit"

    eventually(served)
    assert said.text == first.text != ""
    return said


def bytes_of(redis: Server) -> bytes:
    """Everything that was ever written."""
    return b"".join(path.read_bytes() for path in redis.folder.rglob("*") if path.is_file())


async def rated(fabric: CacheFabric, execution_id: str, *, trusted: bool = False) -> int:
    transport = httpx.ASGITransport(app=create_app(fabric, trusted=trusted))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        body = {"execution_id": execution_id, "user_rating": 1}
        return (await http.post("/v1/feedback", json=body)).status_code


def test_the_second_call_costs_nothing(proxy: Proxy) -> None:
    ask_until_hit(proxy, "How tall is the Eiffel Tower?")
    before = len(proxy.upstream.calls)
    hits = [proxy.ask("How tall is the Eiffel Tower?") for _ in range(4)]
    assert len(proxy.upstream.calls) == before
    for hit in hits:
        assert hit.fabric() == "hit"
        assert hit.fabric("tier") in ("hot", "exact")
        assert hit.fabric("similarity") == "1.0000"
        assert float(hit.fabric("saved") or 0) > 0
        assert float(hit.fabric("age") or 0) > 0
        assert float(hit.headers["x-litellm-response-cost"]) == 0
    assert len({hit.fabric("execution") for hit in hits}) == 4


def test_a_paraphrase_is_a_hit_by_meaning(proxy: Proxy) -> None:
    text = ask_until_hit(proxy, "How do I reset my password?").text
    said: list[Said] = []

    def served() -> bool:  # the index of the other worker hears of it a little later
        said.append(proxy.ask("How can I reset my password?"))
        return said[-1].fabric("tier") == "semantic"

    eventually(served)
    assert said[-1].text == text
    assert 0.9 <= float(said[-1].fabric("similarity") or 0) < 1


def test_a_streamed_repeat_comes_in_chunks_with_usage(proxy: Proxy) -> None:
    text = ask_until_hit(proxy, "Name a few rivers of France.").text
    before = len(proxy.upstream.calls)
    with proxy.client() as client:
        raw = client.chat.completions.with_raw_response.create(
            model="gpt-4o",
            messages=asked("Name a few rivers of France."),
            stream=True,
            stream_options={"include_usage": True},
        )
        assert raw.headers["x-cache-fabric"] == "hit"
        chunks: list[Any] = list(raw.parse())
    assert text_of_stream(chunks) == text
    assert sum(bool(c.choices and c.choices[0].delta.content) for c in chunks) > 1
    assert [c.usage.total_tokens > 0 for c in chunks if c.usage] == [True]
    ends = [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]
    assert ends == ["stop"]
    assert len(proxy.upstream.calls) == before


def test_an_answer_that_was_streamed_serves_a_plain_call(proxy: Proxy) -> None:
    with proxy.client() as client:
        stream = client.chat.completions.create(
            model="gpt-4o",
            messages=asked("Name a few lakes of Finland."),
            stream=True,
        )
        text = text_of_stream(list(stream))
    said: list[Said] = []

    def served() -> bool:  # by what the stream has left: these calls leave nothing
        reads = {"cache": {"no-store": True}}
        said.append(proxy.ask("Name a few lakes of Finland.", extra_body=reads))
        return said[-1].fabric() == "hit"

    eventually(served)
    assert said[-1].text == text


def test_twelve_messages_are_cached(proxy: Proxy) -> None:
    messages = [
        {"role": role, "content": f"{role} says {turn}"}
        for turn in range(6)
        for role in ("assistant", "user")
    ]
    ask_until_hit(proxy, messages)
    assert proxy.asked_for("user says 5") == 1


FORGED = {
    "metadata": {"user_api_key_team_id": "blue", "user_api_key_auth": {"team_id": "blue"}},
    "litellm_metadata": {"user_api_key_team_id": "blue", "user_api_key_auth": {"team_id": "blue"}},
    "user_api_key_team_id": "blue",
    "cache": {"namespace": "team:blue"},
}


def test_teams_never_share_whatever_a_body_says(proxy: Proxy) -> None:
    question = "What did we decide on Monday?"
    ask_until_hit(proxy, question, key="sk-blue-one")
    assert proxy.ask(question, key="sk-blue-two").fabric() == "hit"
    for name, value in FORGED.items():
        said = proxy.ask(f"{question} {name}", key="sk-blue-one")
        forged = proxy.ask(f"{question} {name}", key="sk-red-one", extra_body={name: value})
        assert (said.fabric(), forged.fabric()) == ("miss", "miss"), name
        assert proxy.asked_for(f"{question} {name}") == 2, name


def test_calls_that_share_an_id_do_not_share_their_answers(proxy: Proxy) -> None:
    """A client may choose LiteLLM's id of a call."""
    same = {"extra_headers": {"x-litellm-call-id": "one-id"}}
    questions = {"sk-blue-one": "Who painted Guernica?", "sk-green-one": "Who wrote Ulysses?"}
    proxy.upstream.hold()

    async def ask(key: str, question: str) -> str:
        said = await asyncio.to_thread(proxy.ask, question, key, **same)
        return said.text

    async def ask_both() -> list[str]:
        calls = [asyncio.ensure_future(ask(*pair)) for pair in list(questions.items()) * 3]
        await asyncio.to_thread(proxy.upstream.wait_until_held, 2)
        proxy.upstream.release()
        return await asyncio.gather(*calls)

    texts = asyncio.run(ask_both())
    for (key, question), text in zip(questions.items(), texts, strict=False):
        assert question in text
        for _ in range(4):
            assert question in proxy.ask(question, key=key).text


def test_each_model_of_a_batch_has_its_own_answer(proxy: Proxy) -> None:
    """LiteLLM makes one call for each model at once, and gives all of them one id."""
    fields = {"model": "gpt-4o,gpt-4o-mini", "messages": asked("Two models, one question")}
    with proxy.client() as client:
        client.post("/chat/completions", body=fields, cast_to=object)
    told = {name: proxy.ask("Two models, one question", model=name).text for name in MODELS}
    told_again = {name: proxy.ask("Two models, one question", model=name).text for name in MODELS}
    assert told["gpt-4o"] != told["gpt-4o-mini"]
    assert told == told_again
    for name, text in told.items():
        said = [c for c in proxy.upstream.calls if "Two models, one" in str(c.body)]
        assert any(c.body["model"] == name for c in said), name
        assert text == think(read(next(c.body for c in said if c.body["model"] == name))).text


MODELS = ("gpt-4o", "gpt-4o-mini")


def test_identical_calls_over_two_workers_are_one_call(proxy: Proxy) -> None:
    proxy.upstream.fail("slow:2")

    async def ask(client: Any) -> Any:
        raw = await client.chat.completions.with_raw_response.create(
            model="gpt-4.1-mini",  # asked here only: nobody has learned that it is fast
            messages=asked("Who was first on the moon?"),
        )
        assert "first on the moon" in str(raw.parse())
        return raw.headers.get("x-cache-fabric-tier")

    async def ask_all() -> Counter[Any]:
        async with openai.AsyncOpenAI(
            base_url=f"{proxy.url}/v1", api_key="sk-blue-one", max_retries=0, timeout=60
        ) as client:
            return Counter(await asyncio.gather(*(ask(client) for _ in range(100))))

    tiers = asyncio.run(ask_all())
    assert proxy.asked_for("first on the moon") == 1
    assert tiers[None] == 1
    assert tiers["flight"] > 1


@pytest.mark.parametrize("fault", ["length", "content_filter", "error_body", "cut", "500"])
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_no_whole_answer_is_not_kept(proxy: Proxy, fault: str, stream: bool) -> None:
    question = f"A question that ends with {fault}, {'streamed' if stream else 'plain'}"
    proxy.upstream.fail(fault)
    with proxy.client() as client:
        try:
            answer = client.chat.completions.create(
                model="gpt-4o",
                messages=asked(question),
                stream=stream,
            )
            broken = text_of_stream(list(answer)) if stream else str(answer)
        except (openai.OpenAIError, Exception) as error:  # noqa: BLE001 - however it fails
            broken = str(error)
    second = ask_until_hit(proxy, question)
    assert f"You said: {question} [" in second.text
    assert second.text not in broken
    assert proxy.asked_for(question) == 2


def test_a_stream_that_its_client_leaves_is_not_kept_and_keeps_nobody_waiting(
    proxy: Proxy,
) -> None:
    proxy.upstream.hold("middle")
    with proxy.client() as client:
        stream = client.chat.completions.create(
            model="gpt-4o",
            messages=asked("Tell me of the long way home"),
            stream=True,
        )
        assert next(iter(stream))
        stream.close()
    proxy.upstream.release()
    said = proxy.ask("Tell me of the long way home")
    assert "You said: Tell me of the long way home [" in said.text


def test_langchain_and_the_proxy_share_their_answers(proxy: Proxy, beside: CacheFabric) -> None:
    """For one deployment (its ``api_base``), model, parameters and tenant."""
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(
        model="gpt-4o",
        base_url=proxy.upstream.url,
        api_key="sk-langchain",  # type: ignore[arg-type]
        cache=FabricCache(beside, tenant="team:blue"),
        temperature=0.5,
    )
    told = model.invoke("What is a glacier?").text
    beside.sync.flush()
    said = proxy.ask("What is a glacier?", temperature=0.5)
    assert (said.fabric(), said.text) == ("hit", told)
    assert proxy.ask("What is a glacier?", temperature=0.6).fabric() == "miss"

    kept = ask_until_hit(proxy, "What is a moraine?", temperature=0.5).text
    assert model.invoke("What is a moraine?").text == kept
    assert proxy.asked_for("What is a moraine?") == 1


def test_per_call_controls(proxy: Proxy) -> None:
    question = "How many moons has Mars?"
    ask_until_hit(proxy, question)
    for control, outcome in (
        ({"no-cache": True}, "bypass"),  # LiteLLM does not look up then
        ({"namespace": "mine"}, "miss"),
        ({"s-maxage": 0}, "miss"),
    ):
        assert proxy.ask(question, extra_body={"cache": control}).fabric() == outcome, control
    assert proxy.ask(question).fabric() == "hit"
    for _ in range(2):
        said = proxy.ask("Not to be kept", extra_body={"cache": {"no-store": True}})
        assert said.fabric() == "miss"


def test_no_secret_is_kept_or_logged(proxy: Proxy) -> None:
    _, header, body = CANARIES
    ask_until_hit(
        proxy,
        "Which bird is this, the canary of the tests?",
        key=f"sk-blue-{header}",
        extra_headers={"x-secret": header, "x-api-key": header},
        extra_body={"metadata": {"api_key": body}, "api_key_note": None},
    )
    kept = bytes_of(proxy.redis)
    assert b"the canary of the tests" in kept
    for canary in CANARIES:
        assert canary.encode() not in kept, canary
        assert canary not in proxy.log.read_text(errors="replace"), canary


def test_a_prompt_comes_from_the_fabric_and_is_reloaded(proxy: Proxy, beside: CacheFabric) -> None:
    beside.sync.set_context("support", "You answer for {shop}.")
    numbers = itertools.count()

    def told(**fields: Any) -> tuple[str, str | None]:
        text = f"Prompted question {next(numbers)}"
        values = {"prompt_id": "support", "prompt_variables": {"shop": "Alpine Gear"}}
        said = proxy.ask(text, extra_body={**values, **fields})
        call = next(c for c in reversed(proxy.upstream.calls) if text in str(c.body))
        assert not any(name.startswith("prompt_") for name in call.body)
        return call.body["messages"][0]["content"], said.fabric("prompt")

    def both_workers_tell(*expected: Any) -> None:
        eventually(lambda: all(told() == expected for _ in range(6)))

    eventually(lambda: "no prompt" not in attempt(proxy, {"prompt_id": "support"}))
    both_workers_tell("You answer for Alpine Gear.", "support@1")
    beside.sync.set_context("support", "You speak for {shop}.")
    both_workers_tell("You speak for Alpine Gear.", "support@2")
    beside.sync.label_context("support", "steady", 1)
    eventually(lambda: "has no label" not in attempt(proxy, {**SHOP, "prompt_label": "steady"}))
    assert told(prompt_label="steady") == ("You answer for Alpine Gear.", "support@1")
    assert told(prompt_version=1)[1] == "support@1"


SHOP = {"prompt_id": "support", "prompt_variables": {"shop": "x"}}


def attempt(proxy: Proxy, fields: dict[str, Any]) -> str:
    try:
        return proxy.ask("A question for a prompt", extra_body=fields).text
    except openai.APIStatusError as error:
        assert error.status_code == 400
        return str(error)


def test_a_prompt_that_cannot_be_had_is_a_clear_error(proxy: Proxy, beside: CacheFabric) -> None:
    beside.sync.set_context("greeting", "Greet {name}.")
    eventually(lambda: "no prompt" not in attempt(proxy, {"prompt_id": "greeting"}))
    before = len(proxy.upstream.calls)
    for fields, told in (
        ({"prompt_id": "unknown"}, "no prompt 'unknown'"),
        ({"prompt_id": "greeting"}, "expected values for name"),
        ({"prompt_id": "greeting", "prompt_version": 7}, "has no version 7"),
        ({"prompt_id": "greeting", "prompt_label": "live"}, "has no label 'live'"),
    ):
        assert told in attempt(proxy, fields), fields
    assert len(proxy.upstream.calls) == before


def test_an_execution_is_found_by_the_header(proxy: Proxy, beside: CacheFabric) -> None:
    beside.sync.set_context("brief", "Be brief.")
    eventually(lambda: "no prompt" not in attempt(proxy, {"prompt_id": "brief"}))
    said = proxy.ask(
        "Which execution is this?",
        extra_body={"prompt_id": "brief", "prompt_version": 1},
        extra_headers={"x-litellm-call-id": "chosen"},
    )
    name = said.fabric("execution") or ""
    eventually(lambda: beside.sync.get_execution(name) is not None)
    execution = beside.sync.get_execution(name)
    assert execution is not None
    assert "Be brief." in str(execution.state["input"])
    assert execution.state["misses"] == 1
    assert execution.state["contexts"] == [{"key": "brief", "version": 1, "behaviour": 1}]
    beside.sync.record_feedback(name, {"score": 1})
    assert beside.sync.get_execution("chosen") is None
    assert asyncio.run(rated(beside, name)) == 201
    execution = beside.sync.get_execution(name)
    assert execution is not None
    assert [feedback.data for feedback in execution.feedback] == [{"score": 1}, {"user_rating": 1}]


def test_a_bad_rating_takes_an_answer_out_of_both_workers(
    proxy: Proxy, beside: CacheFabric
) -> None:
    question = "Which answer is the bad one?"
    hit = ask_until_hit(proxy, question)
    name = hit.fabric("execution") or ""
    eventually(lambda: beside.sync.get_execution(name) is not None)
    before = proxy.asked_for(question)
    assert asyncio.run(rated(beside, name, trusted=True)) == 201

    def asked_anew() -> bool:  # a worker that has not heard of it yet would still serve it
        proxy.ask(question)
        return proxy.asked_for(question) > before

    eventually(asked_anew)
    fresh = {proxy.ask(question).fabric("entry") for _ in range(8)} - {None}
    assert hit.fabric("entry") not in fresh


def test_the_responses_api_is_answered_too(proxy: Proxy) -> None:
    def ask(key: str) -> tuple[str, str]:
        with proxy.client(key) as client:
            raw = client.responses.with_raw_response.create(model="gpt-4o", input="Name a moon.")
            return raw.parse().output_text, raw.headers["x-cache-fabric"]

    text, outcome = ask("sk-blue-one")
    assert (outcome, bool(text)) == ("miss", True)
    eventually(lambda: ask("sk-blue-two") == (text, "hit"))
    assert ask("sk-red-one")[1] == "miss"
