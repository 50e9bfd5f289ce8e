"""The home loop: every colour gets in, nobody waits for himself, closing is final."""

from __future__ import annotations

import asyncio
import threading

import pytest

from cache_fabric.errors import FabricClosedError, SyncCallOnIOLoopError
from cache_fabric.portal import Portal


async def where() -> tuple[threading.Thread, asyncio.AbstractEventLoop]:
    return threading.current_thread(), asyncio.get_running_loop()


def test_sync_and_several_event_loops_share_one_home_loop() -> None:
    portal = Portal()

    async def ask() -> tuple[threading.Thread, asyncio.AbstractEventLoop]:
        return await portal.run(where)

    homes = {portal.call(where), asyncio.run(ask()), asyncio.run(ask())}
    assert len(homes) == 1
    portal.close()


async def test_an_adopted_loop_is_the_home_loop() -> None:
    portal = Portal()
    portal.adopt()
    assert (await portal.run(where))[1] is asyncio.get_running_loop()


async def test_a_blocking_call_on_the_home_loop_is_refused_with_the_cure() -> None:
    portal = Portal()
    portal.adopt()
    with pytest.raises(SyncCallOnIOLoopError, match="await"):
        portal.call(where)


async def test_a_thread_that_a_blocked_home_loop_waits_for_is_refused() -> None:
    """A graph that is run blocking on the adopted loop, and runs its nodes in threads."""
    portal = Portal()
    portal.adopt()
    refused: list[Exception] = []

    def call() -> None:
        try:
            portal.call(where)
        except SyncCallOnIOLoopError as error:
            refused.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(30)
    assert len(refused) == 1


async def test_a_thread_may_call_an_adopted_loop_that_goes_on() -> None:
    portal = Portal()
    portal.adopt()
    home = (await asyncio.to_thread(portal.call, where))[1]
    assert home is asyncio.get_running_loop()


async def test_a_blocking_call_inside_another_running_loop_works() -> None:
    portal = Portal()
    assert portal.call(where)[1] is not asyncio.get_running_loop()
    portal.close()


async def test_cancelling_the_caller_cancels_the_call() -> None:
    portal = Portal()
    started, cancelled = threading.Event(), threading.Event()

    async def hang() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    task = asyncio.create_task(portal.run(hang))
    await asyncio.to_thread(started.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(cancelled.wait, 10)
    portal.close()


def test_errors_come_back_to_the_caller() -> None:
    portal = Portal()

    async def fail() -> None:
        raise LookupError("ours")

    with pytest.raises(LookupError, match="ours"):
        portal.call(fail)
    portal.close()


def test_a_closed_portal_refuses_and_leaves_no_thread() -> None:
    before = threading.active_count()
    portal = Portal()
    portal.call(where)
    portal.close()
    portal.close()
    with pytest.raises(FabricClosedError):
        portal.call(where)
    assert threading.active_count() == before
