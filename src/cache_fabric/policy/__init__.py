"""Policies: what may be kept, and what may be served by meaning. Pure rules, no I/O."""

from __future__ import annotations

from cache_fabric.policy.base import Decision, Policy, Refuse, Serve
from cache_fabric.policy.exact_only import ExactOnly
from cache_fabric.policy.opinion import Opinion
from cache_fabric.policy.threshold import Threshold
from cache_fabric.policy.verified import Verified

__all__ = [
    "Decision",
    "ExactOnly",
    "Opinion",
    "Policy",
    "Refuse",
    "Serve",
    "Threshold",
    "Verified",
]
