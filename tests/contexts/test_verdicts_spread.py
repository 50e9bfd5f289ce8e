"""A verdict in one process is one in all of them, through the change log and the records."""

from __future__ import annotations

import asyncio
import dataclasses
import threading

from cache_fabric import CacheFabric, CacheRequest, Hit
from contexts.conftest import Make
from voting import a_vote, answered, cast, hit, missed


def request(question: str = "How do I return an item?") -> CacheRequest:
    return CacheRequest(model="m", messages=[{"role": "user", "content": question}])


class Judged:
    """Waits for the news of a verdict."""

    def __init__(self, fabric: CacheFabric) -> None:
        self._heard = threading.Event()
        fabric.on("judged", lambda _event, _entry_id: self._heard.set())

    async def wait(self) -> None:
        assert await asyncio.to_thread(self._heard.wait, 30)
        self._heard.clear()


async def test_another_process_that_has_it_hot_does_not_serve_it_again(make: Make) -> None:
    one, other = await make(), await make()
    await answered(one, request())
    for _ in range(2):
        found = await hit(other, request())
    assert found.tier == "hot"
    judged = Judged(other)
    await cast(one, a_vote(found))
    await judged.wait()
    assert await missed(other, request())


async def test_a_process_that_starts_later_knows_the_verdict(make: Make) -> None:
    one = await make()
    await answered(one, request())
    found = await hit(one, request())
    await cast(one, a_vote(found, correction="Bring it."))
    late = await make()
    assert (await hit(late, request())).entry.text == "Bring it."


async def test_a_correction_and_its_end_reach_every_process(make: Make) -> None:
    one, other = await make(), await make()
    entry_id = await answered(one, request())
    found = await hit(other, request())
    judged = Judged(other)
    await cast(one, a_vote(found, correction="Bring it."))
    await judged.wait()
    assert (await hit(other, request())).entry.text == "Bring it."
    await one.restore_answer(entry_id)
    await judged.wait()
    assert (await hit(other, request())).entry.id == entry_id


async def test_the_limit_of_an_annotator_is_one_for_all_processes(make: Make) -> None:
    fabrics = [await make() for _ in range(2)]
    limit = fabrics[0].config.feedback_grace
    votes = []
    for number in range(limit + 6):
        asked = dataclasses.replace(request(), model=f"model {number}")
        await answered(fabrics[0], asked)
        votes.append(a_vote(await hit(fabrics[0], asked)))
    effects = await asyncio.gather(*(cast(fabrics[n % 2], vote) for n, vote in enumerate(votes)))
    actions = sorted(effect[0].action for effect in effects)
    assert actions == ["held"] * 6 + ["quarantined"] * limit


async def test_votes_of_many_processes_on_one_answer_are_all_counted(make: Make) -> None:
    fabrics = [await make() for _ in range(3)]
    entry_id = await answered(fabrics[0], request())
    found = await hit(fabrics[0], request())
    votes = [a_vote(found, by=f"ann-{number}") for number in range(30)]
    await asyncio.gather(*(cast(fabrics[n % 3], vote) for n, vote in enumerate(votes)))
    case = await fabrics[0]._run(lambda life: life.verdicts.cases.find(entry_id))
    assert case is not None
    assert {vote.feedback_id for vote in case.votes} == {vote.feedback_id for vote in votes}
    assert isinstance(found, Hit)
    assert all([await missed(fabric, request()) for fabric in fabrics])
