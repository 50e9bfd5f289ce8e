"""What was asked, what shall fail next, and the gate that holds calls.

Faults, by name:

* a status such as ``"429"`` or ``"500"``: an error answer;
* ``"error_body"``: status 200 with an error in the body;
* ``"slow:0.3"``: the first byte comes that many seconds late;
* ``"hang"``: no answer for as long as the server runs;
* ``"cut"``: the connection ends in the middle of the answer;
* ``"length"``, ``"content_filter"``: half an answer, with this finish reason.

A request names one for itself in the header ``x-fake-fault``.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_PATIENCE = 30.0


@dataclass(frozen=True)
class Call:
    """One request that reached the model."""

    number: int
    """Never the same twice, a reset notwithstanding."""
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: dict[str, Any]


@dataclass
class Control:
    """The state of one server, safe to use from any thread."""

    closing: threading.Event = field(default_factory=threading.Event)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _calls: list[Call] = field(default_factory=list)
    _faults: deque[str] = field(default_factory=deque)
    _held_at: str | None = None
    _waiting: int = 0

    @property
    def calls(self) -> list[Call]:
        """Every request so far, in order of arrival."""
        with self._changed:
            return list(self._calls)

    @property
    def waiting(self) -> int:
        """How many requests stand at the gate."""
        with self._changed:
            return self._waiting

    def fail(self, fault: str, times: int = 1) -> None:
        """Let the next requests that name no fault themselves have this one."""
        with self._changed:
            self._faults.extend([fault] * times)

    def hold(self, at: str = "start") -> None:
        """Hold requests from now on: before their first byte, or in the ``middle`` of a stream."""
        if at not in ("start", "middle"):
            raise ValueError(f"requests are held at the start or in the middle, not at {at!r}")
        with self._changed:
            self._held_at = at

    def release(self) -> None:
        """Let every request go on, held or to come."""
        with self._changed:
            self._held_at = None
            self._changed.notify_all()

    def wait_until_held(self, count: int) -> None:
        """Return when so many requests stand at the gate; raises ``TimeoutError``."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting >= count, _PATIENCE):
                raise TimeoutError(f"{self._waiting} of {count} requests came to the gate")

    def reset(self) -> None:
        """Forget calls and faults, and open the gate."""
        with self._changed:
            self._calls.clear()
            self._faults.clear()
            self._held_at = None
            self._changed.notify_all()

    def state(self) -> dict[str, Any]:
        """What ``GET /_control`` tells."""
        calls = self.calls
        return {
            "calls": len(calls),
            "waiting": self.waiting,
            "requests": [{"path": call.path, "body": call.body} for call in calls],
        }

    def steer(self, order: Mapping[str, Any]) -> None:
        """Do what ``POST /_control`` asks: ``reset``, ``fail`` (and ``times``), ``hold``."""
        if order.get("reset"):
            self.reset()
        if "fail" in order:
            self.fail(str(order["fail"]), order.get("times", 1))
        if "hold" in order:
            self.hold(order["hold"]) if order["hold"] else self.release()

    def admit(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Call:
        """Log a request."""
        with self._changed:
            call = Call(next(self._numbers), path, headers, body)
            self._calls.append(call)
            return call

    def fault_of(self, call: Call) -> str | None:
        """What shall go wrong with this request."""
        with self._changed:
            named = call.headers.get("x-fake-fault")
            return named or (self._faults.popleft() if self._faults else None)

    def pass_gate(self, place: str) -> None:
        """Wait here while requests are held at this place."""
        with self._changed:
            if self._held_at != place:
                return
            self._waiting += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._held_at != place or self.closing.is_set())
            self._waiting -= 1

    def close(self) -> None:
        """Let go of everything that waits."""
        with self._changed:
            self.closing.set()
            self._changed.notify_all()
