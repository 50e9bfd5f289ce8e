"""The map of the recipes: each has its row, its README, its command there, and its test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from integrations_smoke.contained import TOP

FOLDER = TOP / "integrations"
RECIPES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
ROWS = dict(
    re.findall(
        r"^\| \[`([\w-]+)/`\]\(\1/\) \|.*\| `([^`]+)` \|$",
        (FOLDER / "README.md").read_text(),
        re.MULTILINE,
    )
)


def test_every_recipe_is_on_the_map() -> None:
    assert sorted(ROWS) == RECIPES


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_has_its_command_in_its_readme_and_a_test(recipe: str) -> None:
    command = ROWS[recipe]
    assert f"\n{command}\n" in (FOLDER / recipe / "README.md").read_text()
    script = re.search(r"\S+\.py$", command)
    assert script is None or (TOP / script[0]).is_file()
    assert Path(__file__).with_name(f"test_{recipe.replace('-', '_')}.py").is_file()
