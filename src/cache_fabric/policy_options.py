"""Which policies a fabric gets, and where their labels are kept, from its options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cache_fabric.errors import ConfigurationError
from cache_fabric.judged_log import JUDGED_FILE
from cache_fabric.policy.base import Policy
from cache_fabric.policy.verified import Verified
from cache_fabric.tuned import tuned_policies

__all__ = ["judged_file", "policies"]


def policies(options: Mapping[str, Any], folder: Path | None) -> tuple[Policy, Policy | None]:
    """Return the policy that serves and the one in its shadow.

    Where neither is given, the settings file in the fabric's folder is asked.

    Raises:
        ConfigurationError: An option is no policy or makes no sense, or the file is damaged.
    """
    given, shadow = options.get("policy"), options.get("shadow")
    if given is None and shadow is None and folder is not None:
        given, shadow = tuned_policies(folder)
        if shadow == Verified():
            shadow = None  # what was proposed is what serves anyway
    policy = _policy(given)
    return policy, _shadow(shadow, policy)


def judged_file(
    options: Mapping[str, Any], folder: Path | None, policy: Policy, shadow: Policy | None
) -> Path | None:
    """Return the file of the judged log, ``None`` if there is to be none.

    Raises:
        ConfigurationError: It is no path, or there is no policy that states a probability.
    """
    given = options.get("judged_log", False)
    if given is False:
        return None
    if not isinstance(policy, Verified) and not isinstance(shadow, Verified):
        raise ConfigurationError("judged_log: expected Verified as policy or shadow, to learn from")
    if given is True and folder is not None:
        return folder / JUDGED_FILE
    if not isinstance(given, str | os.PathLike):
        raise ConfigurationError(f"judged_log: expected the path of a file, got {given!r}")
    return Path(given).expanduser()


def _policy(policy: Any) -> Policy:
    if policy is None:
        return Verified()
    if not isinstance(policy, Policy):
        raise ConfigurationError(f"policy: expected a policy, got {type(policy).__name__}")
    return policy


def _shadow(shadow: Any, policy: Policy) -> Policy | None:
    if shadow is None:
        return None
    if not isinstance(shadow, Policy) or not shadow.semantic:
        raise ConfigurationError(
            f"shadow: expected Verified or Threshold, got {type(shadow).__name__}"
        )
    if isinstance(shadow, Verified) and shadow.verifier is not None:
        raise ConfigurationError("shadow: expected no verifier, which requests would wait for")
    if shadow == policy:
        raise ConfigurationError("shadow: expected another policy than the one that serves")
    return shadow
