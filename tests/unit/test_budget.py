"""The error budget: what may be spent, and what an answer may cost."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.policy.budget import Budget

RISKS = st.lists(st.floats(0, 1), min_size=1, max_size=300)
CREDIT = 3.0
SLOPES = (0.1, 0.2, 0.4, 0.8, 1.6)


def budget(max_error: float = 0.02, wrong_share: float = 0.1, alpha: float = 0.1) -> Budget:
    return Budget(max_error, wrong_share, alpha)


def is_admitted(account: Budget, risk: float) -> bool:
    return risk <= account.price and account.affords(risk)


def offer(account: Budget, risk: float) -> bool:
    """One request whose best answer has this risk; True when it is served."""
    account.requests += 1
    account.see(risk)
    if not is_admitted(account, risk):
        return False
    account.spend(risk)
    return True


def test_what_is_allowed_is_as_computed_by_hand() -> None:
    account = budget(max_error=0.01)
    account.requests = 1_000
    wrong, cost = CREDIT + 10, math.log(5 / 0.1)
    by_hand = max((s * wrong - cost) / (math.exp(s) - 1) for s in SLOPES)
    assert account.allowed == pytest.approx(by_hand)
    assert 0 < account.allowed < wrong


@given(st.integers(0, 100_000), st.integers(1, 1_000))
def test_more_requests_never_allow_less(requests: int, more: int) -> None:
    account = budget()
    account.requests = requests
    before = account.allowed
    account.requests += more
    assert account.allowed >= before


@given(st.integers(0, 100_000), st.floats(0.001, 0.4), st.floats(0.01, 0.5))
def test_more_error_or_more_chance_to_fail_never_allow_less(
    requests: int, max_error: float, alpha: float
) -> None:
    accounts = [
        budget(max_error, alpha=alpha),
        budget(max_error * 1.2, alpha=alpha),
        budget(max_error, alpha=alpha * 1.2),
    ]
    for account in accounts:
        account.requests = requests
    assert accounts[0].allowed <= min(accounts[1].allowed, accounts[2].allowed)


@given(RISKS)
def test_what_is_spent_never_exceeds_what_is_allowed(risks: list[float]) -> None:
    account = budget()
    for risk in risks:
        offer(account, risk)
        assert account.spent <= account.allowed


@given(RISKS)
def test_nothing_over_its_price_is_served(risks: list[float]) -> None:
    account = budget()
    for risk in risks:
        account.requests += 1
        account.see(risk)
        if is_admitted(account, risk):
            assert risk <= account.price <= 0.5
            account.spend(risk)


@given(RISKS.filter(lambda risks: len(risks) > 20))
def test_a_larger_budget_never_pays_less(risks: list[float]) -> None:
    prices = []
    for max_error in (0.01, 0.02, 0.04):
        account = budget(max_error, wrong_share=5 * max_error)
        for risk in risks * 6:
            account.requests += 1
            account.see(risk)
        prices.append(account.price)
    assert prices == sorted(prices)


def test_safer_neighbors_leave_room_for_riskier_ones() -> None:
    def price_after(common: float) -> float:
        account = budget()
        for number in range(500):
            account.requests += 1
            account.see(common if number % 10 else 0.01 * (number % 30))
        return account.price

    assert price_after(0.001) > price_after(0.05)


def test_where_nothing_fits_nothing_is_served() -> None:
    account = budget()
    served = [offer(account, 0.9) for _ in range(500)]
    assert not any(served)
    assert account.price < 0
    assert not is_admitted(account, 0.0)


def test_few_judged_questions_have_a_price_to_begin_with() -> None:
    account = budget()
    assert account.price == account.wrong_share == 0.1
    assert offer(account, 0.1)
    assert not offer(account, 0.11)


def test_the_share_of_wrong_hits_is_kept_apart_from_that_of_all_requests() -> None:
    strict, loose = budget(0.1, wrong_share=0.05), budget(0.1, wrong_share=0.5)
    for account in (strict, loose):
        for number in range(300):
            account.requests += 1
            account.see(0.02 + 0.001 * (number % 200))
    assert strict.price < loose.price


def _steady(risk: float) -> Callable[[random.Random, Budget, int], float]:
    return lambda draws, account, wrong: risk


def _greedy(draws: random.Random, account: Budget, wrong: int) -> float:
    return max(0.0, min(account.price, account.allowed - account.spent))


def _vengeful(draws: random.Random, account: Budget, wrong: int) -> float:
    """Takes the most when it has had bad luck already, and little otherwise."""
    return _greedy(draws, account, wrong) if wrong > account.spent else draws.random() * 0.02


def _mixed(draws: random.Random, account: Budget, wrong: int) -> float:
    return draws.random() ** 3


STREAMS = {
    "few risks": _steady(0.01),
    "large risks": _steady(0.12),
    "as much as it may": _greedy,
    "most after bad luck": _vengeful,
    "all kinds": _mixed,
}
_RUNS, _REQUESTS = 40, 600


def _breaks_the_bound(
    account: Budget, draws: random.Random, risk_of: Callable[[random.Random, Budget, int], float]
) -> bool:
    wrong = 0
    for _ in range(_REQUESTS):
        risk = risk_of(draws, account, wrong)
        if offer(account, risk):
            wrong += draws.random() < risk
        if wrong > CREDIT + account.max_error * account.requests:
            return True
    return False


def test_wrong_answers_stay_within_the_budget_at_every_moment_however_it_is_asked() -> None:
    """200 streams whose true risk is the stated one: at most alpha of them break the bound."""
    alpha = 0.2
    broken = {
        name: sum(
            _breaks_the_bound(budget(0.05, 0.5, alpha), random.Random(run), risk_of)
            for run in range(_RUNS)
        )
        for name, risk_of in STREAMS.items()
    }
    assert sum(broken.values()) <= alpha * _RUNS * len(STREAMS), broken
    assert max(broken.values()) <= 2 * alpha * _RUNS, broken


def test_without_its_stop_rule_the_bound_would_break(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Budget, "affords", lambda self, risk: True)
    broken = sum(
        _breaks_the_bound(budget(0.05, 0.5), random.Random(run), _steady(0.12)) for run in range(20)
    )
    assert broken == 20
