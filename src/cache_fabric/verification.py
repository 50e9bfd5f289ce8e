"""Asks a policy's verifier, a cross-encoder or a model as judge, about the candidates in doubt.

A verifier costs more than everything else in a lookup, so it is asked about one candidate only, the
best one; only where its risk is over the price but not hopeless; about at most the policy's share
of the judged requests; and within a time budget of its own. What it says is one more feature of the
matcher, which learns what that is worth. A verifier that is slow, that fails or that says no
probability is counted, and the decision is made without it. Lives on the home loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

from cache_fabric.instrumentation.events import Event, VerifierEvent
from cache_fabric.learning import Learning
from cache_fabric.matcher.logistic import logit
from cache_fabric.policy.base import Policy
from cache_fabric.policy.opinion import Opinion
from cache_fabric.policy.verified import Verified
from cache_fabric.types import Candidate, Ticket

__all__ = ["Verification"]

_MOST_THREADS = 8
"""Threads that may be busy with verifiers; one that hangs keeps its own."""


class Verification:
    """The verifiers' budget of one engine.

    Args:
        learning: Says which candidate is in doubt.
        emit: Hears how each question to a verifier ended.
    """

    def __init__(self, learning: Learning, emit: Callable[[Event], None]) -> None:
        self._learning = learning
        self._emit = emit
        self._judged = 0
        self._asked = 0
        self._threads = threading.BoundedSemaphore(_MOST_THREADS)

    async def ask(self, ticket: Ticket, policy: Policy, candidates: Sequence[Candidate]) -> None:
        """Leave what the policy's verifier says with the ticket, if it has one and is in doubt."""
        if not isinstance(policy, Verified) or policy.verifier is None:
            return
        self._judged += 1
        if self._asked + 1 > policy.verifier_share * self._judged:
            return
        candidate = self._learning.doubtful(ticket, policy, candidates)
        if candidate is None:
            return
        self._asked += 1
        started = time.monotonic()
        texts = (ticket.keys.question, candidate.entry.question, candidate.entry.text)
        outcome: Literal["answered", "timeout", "failed"] = "answered"
        cost: int | None = None
        try:
            async with asyncio.timeout(policy.verifier_timeout):
                said = await self._call(policy.verifier, texts)
            cost = _micros(said)
            ticket.verified = (candidate.entry.id, logit(_probability(said)))
        except TimeoutError:
            outcome = "timeout"
        except Exception:  # noqa: BLE001 - foreign code on the request path
            outcome = "failed"
        seconds = time.monotonic() - started
        self._emit(
            VerifierEvent(outcome=outcome, seconds=seconds, lookup_id=ticket.id, cost_micros=cost)
        )

    async def _call(self, verifier: Callable[..., Any], texts: tuple[Any, ...]) -> Any:
        if inspect.iscoroutinefunction(verifier):
            return await verifier(*texts)
        said = await self._in_thread(verifier, texts)
        return await said if inspect.isawaitable(said) else said

    async def _in_thread(self, verifier: Callable[..., Any], texts: tuple[Any, ...]) -> Any:
        """Call in a daemon thread: one that hangs must not keep the program from its end."""
        if not self._threads.acquire(blocking=False):
            raise TimeoutError
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()

        def run() -> None:
            settle, said = future.set_result, None
            try:
                said = verifier(*texts)
            except Exception as error:  # noqa: BLE001 - foreign code; the caller is told
                settle, said = future.set_exception, error
            self._threads.release()
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(lambda: future.done() or settle(said))

        threading.Thread(target=run, name="cache-fabric-verifier", daemon=True).start()
        return await future


def _probability(said: Any) -> float:
    probability = float(said.probability if isinstance(said, Opinion) else said)
    if not 0.0 <= probability <= 1.0:
        raise ValueError("expected a probability from 0 to 1")
    return probability


def _micros(said: Any) -> int | None:
    """Return what it cost to ask; what is no amount is not known."""
    cost: Any = said.cost if isinstance(said, Opinion) else None
    if isinstance(cost, bool) or not isinstance(cost, int | float) or not 0 <= cost < math.inf:
        return None
    return round(cost * 1e6)
