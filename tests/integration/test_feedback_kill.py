"""Feedback that was acknowledged survives the end of its process, and has acted."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from cache_fabric import CacheRequest, FabricConfig, Miss, create_cache_fabric
from servers import end_with_parent

PATIENT = FabricConfig(exact_timeout=30, semantic_timeout=30, feedback_grace=1_000)
SAY = """
import itertools, sys
from cache_fabric import CacheRequest, FabricConfig, create_cache_fabric
config = FabricConfig(exact_timeout=30, semantic_timeout=30, feedback_grace=1_000)
fabric = create_cache_fabric("local", path=sys.argv[1], index="memory", config=config).sync
for number in itertools.count():
    request = CacheRequest(model="m", messages=[{"role": "user", "content": f"part {number}?"}])
    fabric.get_or_call(request, lambda: "one franc")
    hit = fabric.lookup(request)
    fabric.track_soon(str(number), "shop", {"status": "success"}, answers=[hit])
    feedback = fabric.record_feedback(str(number), {"user_rating": 1, "annotator_id": "ann"})
    print(number, feedback.id, flush=True)
"""
SAID = 25


def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SAY, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=end_with_parent,
    ) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().split() for _ in range(SAID)]
        process.send_signal(signal.SIGKILL)
        acknowledged += [line.split() for line in process.stdout if line.endswith("\n")]
    with create_cache_fabric("local", path=tmp_path, index="memory", config=PATIENT).sync as kept:
        for number, feedback_id in acknowledged:
            [feedback] = kept.list_feedback(number)
            assert feedback.id == feedback_id
            assert [effect.action for effect in feedback.effects] == ["quarantined"]
            messages = [{"role": "user", "content": f"part {number}?"}]
            result = kept.lookup(CacheRequest(model="m", messages=messages))
            assert isinstance(result, Miss)
            kept.release(result.ticket)
        judged = kept.search_executions(feedback="bad", limit=10_000)
        assert {number for number, _ in acknowledged} <= {run.execution_id for run in judged}
