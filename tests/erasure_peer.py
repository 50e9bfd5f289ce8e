"""A second process of the erasure's tests: it holds copies, and says what it still serves.

Run as ``python -m erasure_peer '{"store": ..., "namespace": ..., "asked": [...]}'``: it looks the
questions up until they are hot, prints ``ready``, waits for the note of an erasure, looks them up
again until the first is none, and prints which are hits. It ends with its standard input.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

from cache_fabric import CacheRequest, ContextScope, FabricConfig, Hit, create_cache_fabric
from cache_fabric.drivers import make_store
from cache_fabric.sync import SyncCacheFabric


def main() -> None:
    given: dict[str, Any] = json.loads(sys.argv[1])
    config = FabricConfig(namespace=given["namespace"], exact_timeout=30, semantic_timeout=30)
    store = make_store(given["store"], given["namespace"])
    fabric = create_cache_fabric("memory", store=store, config=config)
    heard = threading.Event()
    with fabric.sync as opened:
        fabric.on("erased", lambda *_: heard.set())
        for _ in range(2):
            before = asked(opened, given)
        contexts = [opened.get_context("prompt", tenant=one) for one in given["tenants"]]
        print(json.dumps({"hits": before, "contexts": [bool(one) for one in contexts]}), flush=True)
        heard.wait(60)
        deadline = time.monotonic() + 30
        after = asked(opened, given)
        while after[0] and time.monotonic() < deadline:  # copies are searched in turns
            after = asked(opened, given)
        scope = ContextScope.TENANT
        contexts = [
            opened.get_context("prompt", scope=scope, tenant=one) for one in given["tenants"]
        ]
        print(json.dumps({"hits": after, "contexts": [bool(one) for one in contexts]}), flush=True)
        sys.stdin.read()


def asked(opened: SyncCacheFabric, given: dict[str, Any]) -> list[bool]:
    hits = []
    for fields in given["asked"]:
        found = opened.lookup(CacheRequest(**fields))
        hits.append(isinstance(found, Hit))
        if not isinstance(found, Hit):
            opened.release(found.ticket)  # type: ignore[union-attr]
    return hits


if __name__ == "__main__":
    main()
