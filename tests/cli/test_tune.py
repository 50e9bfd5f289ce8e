"""``cache-fabric tune`` by its words: what it reads, proposes and keeps."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cache_fabric.cli.app import app
from cache_fabric.policy.judged import Judged, dump_judged
from cache_fabric.tuned import read_proposal
from cli.conftest import PLAIN


def run(*args: object, **env: str) -> Result:
    result = CliRunner().invoke(app, ["tune", *map(str, args)], env={**PLAIN, **env})
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def shown(*args: object) -> Any:
    result = run(*args, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def write(path: Path, records: Iterable[Judged]) -> Path:
    path.write_text("".join(dump_judged(records)))
    return path


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """2,000 decisions whose probability is telling and whose similarity is not."""
    good = [Judged(probability=0.97, similarity=0.8, right=True) for _ in range(1000)]
    bad = [Judged(probability=0.1, similarity=0.9, right=False) for _ in range(1000)]
    return write(tmp_path / "judged.jsonl", [*good, *bad])


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    rows = [
        ("How do I return a shoe?", "How can I return a shoe?", True),
        ("How do I return a shoe?", "How do I not return a shoe?", False),
    ]
    file = tmp_path / "pairs.jsonl"
    named = [{"question": q, "candidate": c, "same_answer": s} for q, c, s in rows * 200]
    file.write_text("".join(json.dumps(row) + "\n" for row in named))
    return file


def test_a_live_log_proposes_the_score_that_tells(live: Path) -> None:
    found = shown(live, "--max-error", "0.01,0.02")
    assert found["evidence"] == "live decisions"
    assert [(p["policy"], p["hits"]) for p in found["proposals"]] == [("verified", 0.5)] * 2
    assert set(found["curves"]) == {"similarity", "probability"}
    assert found["applied"] is None


def test_pairs_are_judged_by_the_embedder_and_the_guard(pairs: Path) -> None:
    found = shown(pairs, "--max-error", "0.05")
    assert (found["evidence"], found["requests"], found["records"]) == ("labelled pairs", 400, 200)
    (proposal,) = found["proposals"]
    assert (proposal["policy"], proposal["hits"], proposal["errors"]) == ("threshold", 0.5, 0.0)


def test_the_other_names_of_a_pair_and_gzip_are_read(pairs: Path, tmp_path: Path) -> None:
    text = pairs.read_text().replace("question", "text_b").replace("candidate", "text_a")
    other = tmp_path / "other.jsonl.gz"
    other.write_bytes(gzip.compress(text.encode()))
    assert shown(other)["proposals"] == shown(pairs)["proposals"]


def test_more_requests_than_were_judged_make_every_share_smaller(live: Path) -> None:
    found = shown(live, "--max-error", "0.02", "--requests", "4000")
    assert found["proposals"][0]["hits"] == 0.25


def test_apply_keeps_one_proposal_in_the_folder_of_the_fabric(live: Path, tmp_path: Path) -> None:
    folder = tmp_path / "fabric"
    found = shown(live, "--max-error", "0.02", "--apply", "--fabric", folder)
    assert found["applied"] == str(folder / "tuned.json")
    proposal = read_proposal(folder)
    assert (proposal.policy, proposal.max_error, proposal.mode) == ("verified", 0.02, "shadow")


def test_people_see_a_diagram_a_curve_and_a_proposal(live: Path) -> None:
    text = run(live, "--max-error", "0.02").stdout
    assert "reliability of 2,000 live decisions" in text
    assert "\u2588" in text
    assert "hits against errors, by probability" in text
    assert "verified" in text


def test_the_plot_is_a_picture(live: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "plots" / "tune.png"
    shown(live, "--plot", picture)
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected at least one line"),
        ("{", "line 1: invalid JSON"),
        ("[]", "line 1: expected an object"),
        ('{"question": "a"}', "line 1: expected question and candidate"),
        ('{"question": "a", "candidate": "b"}', "line 1: same_answer: expected"),
        ('{"probability": 2, "similarity": 1, "right": true}', "line 1: probability"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.jsonl").write_text(text)
    result = run(tmp_path / "bad.jsonl")
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--max-error", "0.7"), "max-error: expected shares"),
        (("--max-error", "much"), "max-error: expected shares"),
        (("--apply",), "--apply takes one budget"),
        (("--apply", "--max-error", "0.01", "--fabric", "memory"), "memory has no folder"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    live: Path, more: tuple[str, ...], message: str
) -> None:
    result = run(live, *more)
    assert result.exit_code == 1
    assert message in result.stderr


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "none.jsonl: cannot be read" in run(tmp_path / "none.jsonl").stderr
