"""The README's Python runs, and it names the two commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", [b for b in BLOCKS if "import" in b])
def test_python_in_the_readme_runs(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from langchain_core.globals import get_llm_cache, set_llm_cache

    monkeypatch.chdir(tmp_path)
    before = get_llm_cache()
    try:
        exec(compile(block, "README.md", "exec"), {})
    finally:
        set_llm_cache(before)


def test_the_two_commands_are_in_the_readme() -> None:
    assert "make demo" in README
    assert "make test" in README
