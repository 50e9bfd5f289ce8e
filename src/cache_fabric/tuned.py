"""The settings file of `cache-fabric tune --apply`: one proposal in the fabric's folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from cache_fabric.errors import ConfigurationError
from cache_fabric.policy.base import Policy
from cache_fabric.policy.proposal import Proposal, decode_proposal, encode_proposal, policy_of

__all__ = ["TUNED_FILE", "read_proposal", "tuned_policies", "write_proposal"]

TUNED_FILE = "tuned.json"


def read_proposal(path: Path) -> Proposal:
    """Return the proposal of a settings file, or of the one in this folder.

    Raises:
        ConfigurationError: It cannot be read or is not a proposal; the message names the file.
    """
    file = path / TUNED_FILE if path.is_dir() else path
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror}") from error
    return decode_proposal(data, str(file))


def tuned_policies(folder: Path) -> tuple[Policy | None, Policy | None]:
    """Return the policy and the shadow that a folder's settings file asks for, ``None`` for none.

    In mode ``shadow`` the proposal decides beside the default policy, unless it would serve exact
    repeats only; in mode ``live`` it serves.

    Raises:
        ConfigurationError: There is a file, and it is not a proposal.
    """
    if not (folder / TUNED_FILE).exists():
        return None, None
    proposal = read_proposal(folder)
    policy = policy_of(proposal)
    if proposal.mode == "live":
        return policy, None
    return None, policy if policy.semantic else None


def write_proposal(folder: Path, proposal: Proposal) -> Path:
    """Write the proposal into a fabric's folder, whole or not at all; returns the file.

    Raises:
        ConfigurationError: The folder cannot be written to.
    """
    file = folder / TUNED_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=folder, prefix=TUNED_FILE)
        with os.fdopen(handle, "wb") as out:
            out.write(encode_proposal(proposal))
        Path(unfinished).replace(file)
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be written: {error.strerror}") from error
    return file
