"""Opens after failures in a row, lets one trial through a cool-down later."""

from __future__ import annotations

from cache_fabric.breaker import Breaker


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def failing(clock: Clock) -> Breaker:
    breaker = Breaker(failures=3, cool_down=1.0, clock=clock)
    for _ in range(3):
        assert breaker.allow()
        breaker.failed()
    return breaker


def test_it_opens_at_the_limit() -> None:
    breaker = failing(Clock())
    assert breaker.is_open
    assert not breaker.allow()


def test_a_success_between_failures_starts_the_count_again() -> None:
    breaker = Breaker(failures=2, clock=Clock())
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.allow()


def test_after_the_cool_down_one_caller_may_try() -> None:
    clock = Clock()
    breaker = failing(clock)
    clock.now = 1.0
    assert breaker.allow()
    assert not breaker.allow()


def test_a_trial_that_works_closes_it() -> None:
    clock = Clock()
    breaker = failing(clock)
    clock.now = 1.0
    breaker.allow()
    breaker.succeeded()
    assert breaker.allow()
    assert breaker.allow()
