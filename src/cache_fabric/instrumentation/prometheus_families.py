"""What Prometheus is shown: metric families that follow from sums and from how a process stands.

No label holds an id, a prompt, a user, a tenant or the key of a context. Of models and graphs as
many pairs are named as `RequestCounts` keeps. Every other label has a fixed set of values, and each
of these is shown from the start, at 0: what appears with its first event would hide it, as an
increase needs two samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cache_fabric import __version__
from cache_fabric.instrumentation._prometheus_shapes import (
    BOUNDS,
    Labelled,
    Metric,
    counter,
    counters,
    gauge,
    gauges,
    histogram,
)
from cache_fabric.instrumentation.latencies import cumulative
from cache_fabric.instrumentation.standing import Standing
from cache_fabric.instrumentation.totals import Totals
from cache_fabric.policy.audit import Estimate

__all__ = ["families_of_standing", "families_of_sums"]

_TIERS = ("hot", "exact", "semantic")
_SERVED = {**{tier: ("hit", tier) for tier in _TIERS}, "flight": ("coalesced", "flight")}
_ENDS = (*_SERVED.values(), ("miss", ""), ("stale", "exact"), ("bypass", ""))


def families_of_sums(sums: Totals) -> Iterator[Metric]:
    """Yield what sums over events show."""
    yield from _requests(sums)
    yield from _answers(sums)
    yield from _money(sums)
    yield from _checks(sums)
    yield from _contexts_and_runs(sums)


def families_of_standing(standing: Standing) -> Iterator[Metric]:
    """Yield how a process stands."""
    yield gauges(
        "answers",
        "Answers under a verdict, as this process knows them.",
        ["state"],
        {("quarantined",): standing.quarantined, ("pinned",): standing.pinned},
    )
    yield gauge(
        "false_hit_budget_ratio",
        "Share of requests that the policy of this process may answer wrongly.",
        standing.budget,
    )
    yield gauge(
        "context_revision", "Revision of the contexts this process serves.", standing.revision
    )
    yield gauge(
        "watch_connected",
        "1 while this process follows the change log, 0 while it cannot.",
        standing.connected,
    )
    yield gauge(
        "history_queue_size",
        "Executions of this process that wait to be written.",
        standing.queued,
    )
    yield gauge(
        "history_last_write_timestamp_seconds",
        "When this process wrote an execution last.",
        standing.wrote_at,
    )
    yield gauges("build_info", "1, with the release.", ["version"], {(__version__,): 1})


def _requests(sums: Totals) -> Iterator[Metric]:
    rows = {(model, graph or ""): counts for (model, graph), counts in sums.requests.rows().items()}
    yield counters(
        "requests",
        "Lookups by how they ended; a miss is one whether or not its call succeeds.",
        ["result", "tier", "model", "graph"],
        {
            (*end, *pair): counts.get(".".join(end), 0)
            for pair, counts in rows.items()
            for end in _ENDS
        },
    )
    yield counters(
        "upstream_failures",
        "Misses whose model call gave no answer.",
        ["model", "graph"],
        {pair: counts.get("failed", 0) for pair, counts in rows.items()},
    )
    yield histogram(
        "request_duration_seconds",
        "What a request took: the lookup, and the model call after a miss. Stale ones are hits.",
        ["result", "tier"],
        _durations(sums, sums.latencies, {**_SERVED, "miss": ("miss", "")}),
    )
    yield histogram(
        "upstream_duration_seconds",
        "What model calls took.",
        [],
        _durations(sums, sums.durations, {"upstream": ()}),
    )
    yield counters(
        "degraded",
        "Misses that might have been hits, by the part that failed.",
        ["part"],
        _by(sums.degraded, "store", "embedder", "index", "verdicts", "engine"),
    )


def _answers(sums: Totals) -> Iterator[Metric]:
    yield counters(
        "stores",
        "Answers handed in: stored, not fit to be kept, or lost on the way to the store.",
        ["outcome"],
        {(name,): sums.answers[name] for name in ("stored", "refused", "dropped")},
    )
    yield counters(
        "evictions",
        "Answers that left the store, or were not let in, because others save more.",
        ["reason"],
        _by(sums.evictions, "evicted", "not admitted"),
    )
    yield counter("evicted_bytes", "Bytes of these answers.", sums.evicted_bytes)
    values = dict.fromkeys(("hit", "miss", "stored", "refused", "dropped", "evicted"), 0)
    for name, count in sums.values.items():
        outcome = name.rpartition(".")[2]
        if outcome in values:
            values[outcome] += count
    yield counters(
        "values",
        "Values beside the answers, such as vectors: asked for, handed in, or lost.",
        ["outcome"],
        {(outcome,): count for outcome, count in values.items()},
    )


def _money(sums: Totals) -> Iterator[Metric]:
    """See `money.money` for what each of these sums is."""
    avoided = sums.saved_micros + sums.explored_micros
    yield counter("cost_spent_usd", "What priced model calls cost.", sums.spent_micros / 1e6)
    yield counter("cost_avoided_usd", "What calls that a hit stood in for cost.", avoided / 1e6)
    yield counters(
        "cost_overhead_usd",
        "What the cache itself spent, as far as that has a price.",
        ["reason"],
        {
            ("embedding",): sums.embedded_micros / 1e6,
            ("exploration",): sums.explored_micros / 1e6,
            ("verifier",): sums.verified_micros / 1e6,
        },
    )
    reversed_ = sums.reversed_micros + sums.rebooked_micros
    yield counter(
        "cost_reversed_usd",
        "What was taken back of the avoided cost, as the answers were found bad.",
        reversed_ / 1e6,
    )
    yield counter(
        "cost_rebooked_usd",
        "What was booked again of that, as they were restored.",
        sums.rebooked_micros / 1e6,
    )
    yield counter(
        "provider_cache_saved_usd",
        "What the provider's own prompt cache took off the cost; in no other sum.",
        sums.provider_saved_micros / 1e6,
    )
    yield counters(
        "tokens",
        "Tokens by kind, which add up: input is without what the provider's cache gave or took.",
        ["type", "source"],
        {
            **_tokens(sums, "upstream", sums.spent_tokens, sums.spent_output_tokens),
            **_tokens(sums, "avoided", sums.saved_tokens, sums.saved_output_tokens),
        },
    )
    yield counters(
        "priced_answers",
        "Answers, served or fresh, by whether their price is known, and how.",
        ["price"],
        _by(sums.prices, "counted", "estimated", "unpriced", "no usage"),
    )
    yield counters(
        "pricing_missing",
        "Answers of models without a price.",
        ["model"],
        {(model,): count for model, count in sums.unpriced.items()},
    )


def _checks(sums: Totals) -> Iterator[Metric]:
    yield counter(
        "hit_checks", "Answers by meaning that the model was asked for anew.", sums.sampled
    )
    yield counter("false_hits", "Those of them that were wrong.", sums.found_wrong)
    shown = Estimate.of(sums.sampled, sums.sampled_weight, sums.sampled_squares, sums.sampled_wrong)
    known: Labelled = {("estimate",): shown.share, ("low",): shown.low, ("high",): shown.high}
    yield gauges(
        "false_hit_ratio",
        "Share of answers by meaning that were wrong, with its 95 % interval, of all so far.",
        ["bound"],
        known if sums.sampled else {},
    )
    yield counter("drifts", "Times that a policy found its errors rising.", sums.drifts)
    yield counters(
        "verifications",
        "Times that a verifier was asked.",
        ["outcome"],
        _by(sums.verifier, "answered", "timeout", "failed"),
    )
    yield counters(
        "feedback",
        "Feedback kept, by who gave it.",
        ["annotator", "verdict"],
        _pairs(sums.annotators, ("HUMAN", "LLM", "CODE"), ("good", "bad", "none")),
    )
    names = ("quarantined", "restored", "pinned", "confirmed", "held", "none")
    yield counters(
        "verdicts",
        "What votes and operators did to answers.",
        ["action"],
        {(name,): sums.verdicts[name] for name in names},
    )


def _contexts_and_runs(sums: Totals) -> Iterator[Metric]:
    yield counters(
        "publish",
        "Writes of contexts, by the gravest change in them and what came of it.",
        ["change", "outcome"],
        _pairs(
            sums.publishes,
            ("breaking", "behaviour", "cosmetic", "rollback", "delete", "label"),
            ("published", "conflict", "refused", "failed"),
        ),
    )
    yield histogram(
        "context_propagation_seconds",
        "From the commit of a change of contexts until a process serves it, once a process.",
        [],
        _durations(sums, sums.durations, {"propagation": ()}),
    )
    yield counter(
        "watch_resyncs", "Times that a process had missed changes and read all anew.", sums.resyncs
    )
    yield counter("history_written", "Executions written.", sums.executions["kept"])
    yield counter("history_dropped", "Executions lost on the way.", sums.executions["dropped"])


def _durations(
    sums: Totals, buckets: Mapping[str, int], kinds: Mapping[str, tuple[str, ...]]
) -> dict[tuple[str, ...], tuple[list[int], float]]:
    counts, nothing = cumulative(buckets, BOUNDS), [0] * (len(BOUNDS) + 1)
    return {
        labels: (counts.get(kind, nothing), sums.nanos[kind] / 1e9)
        for kind, labels in kinds.items()
    }


def _by(counts: Mapping[str, int], *names: str) -> Labelled:
    return {(name,): counts.get(name, 0) for name in (*names, *sorted(counts.keys() - {*names}))}


def _pairs(counts: Mapping[str, int], firsts: Sequence[str], seconds: Sequence[str]) -> Labelled:
    return {(one, two): counts.get(f"{one}.{two}", 0) for one in firsts for two in seconds}


def _tokens(sums: Totals, source: str, total: int, output: int) -> Labelled:
    read, made = (sums.cached_tokens[f"{source}.cache_{kind}"] for kind in ("read", "creation"))
    kinds = {"input": total - output - read - made, "output": output}
    kinds |= {"cache_read": read, "cache_creation": made}
    return {(kind, source): count for kind, count in kinds.items()}
