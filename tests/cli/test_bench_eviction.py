"""``cache-fabric bench eviction``: every policy in every case, from a folder that is named."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest

from cache_fabric.bench.eviction import STREAMS, EvictionRow, eviction
from cache_fabric.bench.eviction_policies import POLICIES
from cache_fabric.errors import ConfigurationError
from cache_fabric.eviction import Item
from cli.test_commands import run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Streams of 2,000 requests that follow a Zipf law."""
    rng = random.Random(1)
    ranks = range(1, 301)
    weights = [rank**-0.8 for rank in ranks]
    for name in STREAMS:
        with gzip.open(tmp_path / f"stream_{name}.jsonl.gz", "wt") as file:
            for rank in rng.choices(ranks, weights, k=2000):
                row = {"text": f"text {rank} {rng.randrange(2)}", "class": f"class {rank}"}
                file.write(json.dumps(row) + "\n")
    return tmp_path


def test_every_policy_is_measured_in_every_case_and_ours_saves_most_on_steady_streams(
    data: Path,
) -> None:
    rows = eviction(data)
    by_case: dict[object, dict[str, EvictionRow]] = {}
    for row in rows:
        by_case.setdefault(row.case, {})[row.policy] = row
    assert len(by_case) == len(STREAMS) * 2 * 2 * 3
    for case in by_case.values():
        assert list(case) == list(POLICIES)
        assert all(0 <= row.saved < 100 and row.worst <= row.gain for row in case.values())
        assert case["LRU"].gain == 0
        if not case["LRU"].case.turned_over:
            assert max(case.values(), key=lambda row: row.saved).policy == "fabric"


def asked(policy: str, keys: str) -> str:
    """Which of the keys were hits, with room for two."""
    cache = POLICIES[policy](2)
    return "".join(key for key in keys if cache.request(Item(key, 1, 1.0)))


@pytest.mark.parametrize(
    ("policy", "hits"),
    [("LRU", "aa"), ("FIFO", "a"), ("plain", "aab"), ("LFU", "aa"), ("GDSF", "aa")],
)
def test_the_peers_do_what_their_names_say(policy: str, hits: str) -> None:
    assert asked(policy, "abacab") == hits


def test_the_command_prints_a_table_and_writes_the_same_as_json(data: Path) -> None:
    result = run("bench", "eviction", "--data", data, "--out", data / "out")
    assert result.exit_code == 0, result.stderr
    assert "gain over LRU" in result.stdout
    written = json.loads((data / "out" / "bench.json").read_text())["results"]["eviction"]
    assert {row["policy"] for row in written} == set(POLICIES)


def test_a_missing_folder_or_stream_is_named(tmp_path: Path) -> None:
    for arguments, code in (((), 2), (("--data", tmp_path), 1)):
        result = run("bench", "eviction", *arguments, "--out", tmp_path)
        assert result.exit_code == code
        assert "data" in result.stderr


def test_the_folder_above_the_streams_may_be_named(data: Path) -> None:
    (data / "whole").mkdir()
    (data / "whole" / "open").symlink_to(data)
    file = data / f"stream_{STREAMS[0]}.jsonl.gz"
    file.write_bytes(gzip.compress(b"{}\n"))
    with pytest.raises(ConfigurationError, match=f"{file.name}: expected text and class"):
        eviction(data / "whole")


def test_a_line_without_text_is_named(data: Path) -> None:
    file = data / f"stream_{STREAMS[0]}.jsonl.gz"
    file.write_bytes(gzip.compress(b'{"class": "a"}\n'))
    with pytest.raises(ConfigurationError, match=rf"{file.name}: expected text and class"):
        eviction(data)
