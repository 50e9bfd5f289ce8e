"""The Python of the README and of the docs runs, and what they point at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    pytest.param(block, id=f"{page.stem}{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
    if "import" in block
]


@pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")  # LiteLLM's own
@pytest.mark.parametrize("block", BLOCKS)
def test_python_in_the_pages_runs(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from langchain_core.globals import get_llm_cache, set_llm_cache

    monkeypatch.chdir(tmp_path)
    before = get_llm_cache()
    try:
        exec(compile(block, "README.md", "exec"), {})
    finally:
        set_llm_cache(before)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_points_at_is_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_two_commands_are_in_the_readme() -> None:
    assert "make demo" in README.read_text()
    assert "make test" in README.read_text()
