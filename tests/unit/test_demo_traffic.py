from __future__ import annotations

import difflib
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cache_fabric.demo import traffic
from cache_fabric.demo.traffic import (
    DemoData,
    Group,
    Question,
    Trap,
    demo_stream,
    labelled_stream,
    load_demo,
)
from cache_fabric.errors import ValidationError

PACKED = gzip.compress(b'{"text": "who wrote it", "class": "author"}\n')
TRAP_KINDS = {"negation", "number", "date", "product", "place", "order"}
DIGEST_OF_THE_STREAM = """
import hashlib
from cache_fabric.demo.traffic import demo_stream
print(hashlib.sha256(repr(demo_stream()).encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def demo() -> DemoData:
    return load_demo()


@pytest.fixture(scope="module")
def stream() -> list[Question]:
    return demo_stream()


def sources(demo: DemoData) -> list[Group | Trap]:
    return [*demo.groups, *demo.traps]


def normal(text: str) -> str:
    return re.sub(r"\W+", " ", text).strip().lower()


def write_rows(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


class TestData:
    def test_there_are_about_sixty_groups_in_two_applications(self, demo: DemoData) -> None:
        assert 55 <= len(demo.groups) <= 65
        assert {group.app for group in demo.groups} == {"support", "moderation"}

    def test_every_group_has_three_to_five_phrasings(self, demo: DemoData) -> None:
        assert {len(group.questions) for group in demo.groups} <= {3, 4, 5}

    def test_there_are_forty_traps_of_six_kinds(self, demo: DemoData) -> None:
        kinds = Counter(trap.kind for trap in demo.traps)

        assert kinds.total() == 40
        assert set(kinds) == TRAP_KINDS
        assert min(kinds.values()) >= 5

    def test_no_two_questions_are_the_same_text(self, demo: DemoData) -> None:
        texts = [normal(text) for group in demo.groups for text in group.questions]
        texts += [normal(trap.question) for trap in demo.traps]

        assert [text for text, count in Counter(texts).items() if count > 1] == []

    def test_no_two_answers_and_no_two_ids_are_the_same(self, demo: DemoData) -> None:
        assert len({normal(source.answer) for source in sources(demo)}) == len(sources(demo))
        assert len({source.id for source in sources(demo)}) == len(sources(demo))

    def test_every_trap_is_a_small_edit_of_a_question_of_its_application(
        self, demo: DemoData
    ) -> None:
        questions = {(group.app, text) for group in demo.groups for text in group.questions}

        for trap in demo.traps:
            assert (trap.app, trap.near) in questions
            before, after = trap.near.lower().split(), trap.question.lower().split()
            assert difflib.SequenceMatcher(None, before, after).ratio() >= 0.5, trap.id
            assert abs(len(before) - len(after)) <= 1, trap.id

    def test_support_answers_have_two_to_four_sentences(self, demo: DemoData) -> None:
        for source in sources(demo):
            if source.app == "support":
                assert 2 <= len(re.findall(r"[.?](?= [A-Z]|$)", source.answer)) <= 4, source.id

    def test_moderation_answers_are_a_label_of_the_prompt_and_a_reason(
        self, demo: DemoData
    ) -> None:
        listed = re.search(r"one of ([\w, ]+)\.", demo.system_prompts["moderation"])
        assert listed
        labels = set(listed[1].split(", "))

        given = {
            source.answer.split(": ")[0] for source in sources(demo) if source.app == "moderation"
        }

        assert given == labels

    def test_system_prompts_have_five_to_ten_lines(self, demo: DemoData) -> None:
        for prompt in demo.system_prompts.values():
            assert 5 <= len(prompt.splitlines()) <= 10


class TestDemoStream:
    def test_it_has_as_many_requests_as_asked_for(self) -> None:
        assert [question.index for question in demo_stream(300)] == list(range(300))
        assert len(demo_stream(1000)) == 1000

    def test_a_stream_too_short_for_every_group_and_trap_is_refused(self, demo: DemoData) -> None:
        smallest = 2 * len(demo.groups) + len(demo.traps)

        assert len(demo_stream(smallest)) == smallest
        with pytest.raises(ValidationError, match=f"at least {smallest} requests, got"):
            demo_stream(smallest - 1)

    def test_it_is_the_same_in_every_process(self, stream: list[Question]) -> None:
        expected = hashlib.sha256(repr(stream).encode()).hexdigest()
        package_root = str(Path(traffic.__file__).parents[2])

        for hash_seed in ("0", "1", "4242"):
            env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": package_root}
            command = [sys.executable, "-c", DIGEST_OF_THE_STREAM]
            digest = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
            assert digest.stdout.strip() == expected

    def test_another_seed_is_another_stream(self, stream: list[Question]) -> None:
        assert demo_stream(seed=8) != stream

    @pytest.mark.parametrize("seed", range(20))
    def test_every_trap_is_asked_once_and_after_its_near_question(
        self, demo: DemoData, seed: int
    ) -> None:
        asked = [(question.app, question.text) for question in demo_stream(seed=seed)]

        for trap in demo.traps:
            assert asked.count((trap.app, trap.question)) == 1
            assert asked.index((trap.app, trap.near)) < asked.index((trap.app, trap.question))

    def test_every_group_is_asked_in_several_phrasings(
        self, demo: DemoData, stream: list[Question]
    ) -> None:
        for group in demo.groups:
            assert len({question.text for question in stream if question.group == group.id}) >= 2

    def test_requests_follow_the_zipf_law(self, demo: DemoData, stream: list[Question]) -> None:
        ranks = len(demo.groups)
        counts = Counter(question.group for question in stream if question.kind != "trap")
        by_rank = [count for _, count in counts.most_common()]
        weights = [rank**-0.8 for rank in range(1, ranks + 1)]
        decile = ranks // 10

        top_share = sum(by_rank[:decile]) / sum(by_rank)
        assert top_share == pytest.approx(sum(weights[:decile]) / sum(weights), abs=0.03)
        assert by_rank[0] / by_rank[3] == pytest.approx(4**0.8, rel=0.1)

    def test_kinds_say_what_the_stream_held_before(self, stream: list[Question]) -> None:
        groups: set[str] = set()
        texts: set[str] = set()
        for question in stream:
            if question.kind == "repeat":
                assert question.text in texts
            elif question.kind == "paraphrase":
                assert question.group in groups
                assert question.text not in texts
            else:
                assert question.group not in groups
            groups.add(question.group)
            texts.add(question.text)

    def test_a_perfect_cache_is_bounded_by_new_questions_and_traps(
        self, demo: DemoData, stream: list[Question]
    ) -> None:
        kinds = Counter(question.kind for question in stream)

        assert kinds["new"] == len(demo.groups)
        assert kinds["trap"] == len(demo.traps)
        assert kinds["paraphrase"] + kinds["repeat"] == 196
        assert kinds["paraphrase"] == pytest.approx(kinds["repeat"], rel=0.2)

    def test_groups_and_traps_are_asked_all_along(self, stream: list[Question]) -> None:
        quarters = [stream[start : start + 75] for start in range(0, 300, 75)]

        for quarter in quarters:
            assert len({question.kind for question in quarter}) == 4
            assert {question.app for question in quarter} == {"support", "moderation"}

    def test_questions_carry_their_applications_prompt_and_answer(
        self, demo: DemoData, stream: list[Question]
    ) -> None:
        answers = {source.id: source.answer for source in sources(demo)}

        for question in stream:
            assert question.answer == answers[question.group]
            assert question.system_prompt == demo.system_prompts[question.app]  # type: ignore[index]


class TestLabelledStream:
    ROWS = (
        {"i": 0, "text": "who wrote it", "class": "author", "rep": 0},
        {"i": 1, "text": "whose book is it", "class": "author", "rep": 1},
        {"i": 2, "text": "who wrote it", "class": "author", "rep": 2},
        {"i": 3, "text": "when was it written", "class": "year", "rep": 0, "oos": 1},
    )

    def test_rows_become_questions_with_the_kind_that_rep_names(self, tmp_path: Path) -> None:
        stream = labelled_stream(write_rows(tmp_path / "s.jsonl", *self.ROWS))

        assert [question.index for question in stream] == [0, 1, 2, 3]
        assert [question.text for question in stream] == [row["text"] for row in self.ROWS]
        assert [question.kind for question in stream] == ["new", "paraphrase", "repeat", "new"]
        assert [question.answer for question in stream] == ["A:author"] * 3 + ["A:year"]
        assert {question.app for question in stream} == {"data"}

    def test_gzip_is_read_like_plain_text(self, tmp_path: Path) -> None:
        plain = write_rows(tmp_path / "s.jsonl", *self.ROWS)
        packed = tmp_path / "s.jsonl.gz"
        packed.write_bytes(gzip.compress(plain.read_bytes()))

        assert labelled_stream(packed) == labelled_stream(plain)

    def test_limit_reads_no_further_than_it_must(self, tmp_path: Path) -> None:
        path = write_rows(tmp_path / "s.jsonl", *self.ROWS[:2])
        path.write_bytes(path.read_bytes() + b"\n" * 200_000 + b"\xff")

        assert len(labelled_stream(path, limit=2)) == 2

    def test_blank_lines_are_passed_over_but_counted(self, tmp_path: Path) -> None:
        path = tmp_path / "s.jsonl"
        path.write_text('{"text": "a", "class": "c"}\n\n{"text": "b"}\n', encoding="utf-8")

        with pytest.raises(ValidationError, match="line 3"):
            labelled_stream(path)

    def test_scopes_are_applications_that_share_no_answer(self, tmp_path: Path) -> None:
        rows = [{"text": "a", "class": "c", "scope": scope} for scope in ("x", "y", "x")]
        stream = labelled_stream(write_rows(tmp_path / "s.jsonl", *rows))

        assert [question.app for question in stream] == ["x", "y", "x"]
        assert [question.kind for question in stream] == ["new", "new", "repeat"]
        assert stream[0].system_prompt != stream[1].system_prompt
        assert stream[0].group == stream[2].group != stream[1].group

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ({"class": "c"}, r"s\.jsonl line 2, field 'text': is missing"),
            ({"text": "b"}, r"s\.jsonl line 2, field 'class': is missing"),
            ({"text": " ", "class": "c"}, "line 2, field 'text': expected text that is not empty"),
            ({"text": "b", "class": ""}, "line 2, field 'class': expected text that is not empty"),
            ({"text": "b", "class": 7}, "line 2, field 'class': expected text"),
            ({"text": "b", "class": "c", "scope": 1}, "line 2, field 'scope': expected text"),
            (["b", "c"], "line 2: expected a JSON object"),
        ],
    )
    def test_a_bad_row_is_named_by_file_line_and_field(
        self, tmp_path: Path, row: Any, message: str
    ) -> None:
        path = write_rows(tmp_path / "s.jsonl", {"text": "a", "class": "c"}, row)

        with pytest.raises(ValidationError, match=message):
            labelled_stream(path)

    @pytest.mark.parametrize("line", ['{"text": ', "[" * 200_000, "1" * 5000])
    def test_a_line_that_is_not_json_is_named(self, tmp_path: Path, line: str) -> None:
        path = tmp_path / "s.jsonl"
        path.write_text(f'{{"text": "a", "class": "c"}}\n{line}\n', encoding="utf-8")

        with pytest.raises(ValidationError, match=r"s\.jsonl line 2: invalid JSON"):
            labelled_stream(path)

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("s.jsonl", None, r"s\.jsonl: cannot be read: No such file"),
            ("s.csv", b"text,class\n", r"s\.csv: expected a \.jsonl or \.jsonl\.gz file"),
            ("s.jsonl", b'{"text": "caf\xe9"}\n', r"s\.jsonl after line 0: expected UTF-8 text"),
            ("s.jsonl.gz", b'{"text": "a"}\n', r"s\.jsonl\.gz: expected gzip data"),
            ("s.jsonl.gz", PACKED[:-10], r"s\.jsonl\.gz: gzip data broken"),
            ("s.jsonl.gz", PACKED[:10] + b"\xff" * 40, r"s\.jsonl\.gz: gzip data broken"),
            ("s.jsonl", b"\n", r"s\.jsonl: expected at least one row"),
        ],
        ids=["missing", "other type", "not UTF-8", "not gzip", "cut short", "garbled", "no rows"],
    )
    def test_a_file_that_cannot_be_used_is_named(
        self, tmp_path: Path, name: str, content: bytes | None, message: str
    ) -> None:
        if content is not None:
            (tmp_path / name).write_bytes(content)

        with pytest.raises(ValidationError, match=message):
            labelled_stream(tmp_path / name)

    def test_a_limit_below_one_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValidationError, match="limit: expected a whole number above 0"):
            labelled_stream(write_rows(tmp_path / "s.jsonl", *self.ROWS), limit=0)
