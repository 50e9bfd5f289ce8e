"""The texts of a manifest as the fabric has them now, or as it had them when a run began.

What cannot be had (an unknown key, a store that was never reached, a value that is no text) leaves
a node the text that its manifest came with, and is logged once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.runnables import RunnableConfig

from cache_fabric.fabric import CacheFabric
from cache_fabric.langchain._run_names import TENANT, USER
from cache_fabric.nexus._state import PINNED
from cache_fabric.records import ContextEntry
from cache_fabric.seam import Seam

__all__ = ["Pin", "Text", "Texts"]

Pin = Literal["live", "run"]
_log = logging.getLogger("cache_fabric")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text, and which version of a context it is; no version for the manifest's own."""

    value: str
    key: str
    version: int | None = None
    behaviour: int | None = None

    @property
    def mark(self) -> dict[str, Any] | None:
        """Which version it is, for callbacks; ``None`` for a text of the manifest."""
        if self.version is None:
            return None
        return {"key": self.key, "version": self.version, "behaviour": self.behaviour}


class Texts:
    """Reads the texts that a graph's nodes use.

    Args:
        fabric: Whose contexts are read.
        own: The manifest's own texts, by key.
        pin: ``live``: as they are at each call. ``run``: as they were when the run began.
    """

    def __init__(self, fabric: CacheFabric, own: Mapping[str, str], pin: Pin) -> None:
        self._fabric = fabric
        self._own = own
        self._pin = pin
        self._seam = Seam(fabric)
        self._told: set[str] = set()

    async def pinned(self, config: RunnableConfig) -> dict[str, Any]:
        """Return the update that keeps all texts of a run as they are now, at one revision."""
        read = await self._read(self._own, config)
        return {
            PINNED: {
                key: {"value": text.value, "version": text.version, "behaviour": text.behaviour}
                for key, text in read.items()
            }
        }

    async def current(
        self, keys: Sequence[str], state: Mapping[str, Any], config: RunnableConfig
    ) -> list[Text]:
        """Return the texts for a call that is about to be made, all of one revision."""
        kept = (state.get(PINNED) or {}) if self._pin == "run" else {}
        if all(key in kept for key in keys):
            return [Text(key=key, **kept[key]) for key in keys]
        read = await self._read(keys, config)
        return [read[key] for key in keys]

    async def _read(self, keys: Iterable[str], config: RunnableConfig) -> dict[str, Text]:
        asked, found = list(keys), []
        said = config.get("metadata") or {}
        with self._seam.harmless(lambda: "unknown", counts_bypass=False):
            found = await self._fabric.known_contexts(
                asked, tenant=said.get(TENANT), user=said.get(USER)
            )
        entries = dict(zip(asked, found, strict=False))
        return {key: self._usable(key, entries.get(key)) for key in asked}

    def _usable(self, key: str, entry: ContextEntry | None) -> Text:
        if entry is not None and isinstance(entry.value, str):
            return Text(
                key=key, value=entry.value, version=entry.version, behaviour=entry.behaviour
            )
        if key not in self._told:
            self._told.add(key)
            why = "it is not known" if entry is None else "it is not text"
            _log.warning("a node goes on with its manifest's text, not with %s: %s", key, why)
        return Text(key=key, value=self._own[key])
