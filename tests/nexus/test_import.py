"""The package costs nothing until it is used, and says what is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import cache_fabric.nexus
from cache_fabric.errors import MissingExtraError

IMPORT = """
import sys
import cache_fabric.nexus
print(sorted({"langchain_core", "langgraph", "yaml", "simpleeval"} & set(sys.modules)))
"""
WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
import cache_fabric.nexus
try:
    getattr(cache_fabric.nexus, sys.argv[2])
except ImportError as error:
    print(type(error).__name__, error)
"""


def run(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_importing_the_package_imports_no_sdk() -> None:
    assert run(IMPORT) == "[]\n"


@pytest.mark.parametrize(
    ("missing", "extra"),
    [("langchain_core", "langgraph"), ("langgraph", "langgraph"), ("simpleeval", "nexus")],
)
def test_a_missing_package_names_its_extra(missing: str, extra: str) -> None:
    said = run(WITHOUT, missing, "ManifestRuntime")
    assert said.startswith(MissingExtraError.__name__)
    assert "cache_fabric.nexus.ManifestRuntime" in said
    assert f"cache-fabric[{extra}]" in said


@pytest.mark.parametrize("missing", ["langchain_core", "langgraph", "universal_agent_nexus"])
def test_the_functions_of_the_seed_need_none_of_them(missing: str) -> None:
    for name in ("store_manifest_contexts", "FabricAwareRuntime"):
        assert run(WITHOUT, missing, name) == ""


def test_every_name_that_is_exported_is_there() -> None:
    for name in cache_fabric.nexus.__all__:
        assert getattr(cache_fabric.nexus, name) is not None
    assert dir(cache_fabric.nexus) == sorted(cache_fabric.nexus.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="NoSuchThing"):
        _ = cache_fabric.nexus.NoSuchThing
