"""The package costs nothing until it is used, and says what is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import cache_fabric.langchain
from cache_fabric.errors import MissingExtraError

WITHOUT_LANGCHAIN = """
import sys
sys.modules[sys.argv[1]] = None
import cache_fabric.langchain
try:
    getattr(cache_fabric.langchain, sys.argv[2])
except ImportError as error:
    print(type(error).__name__, error)
"""


def run(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_importing_the_package_imports_no_langchain() -> None:
    program = "import sys, cache_fabric.langchain; print('langchain_core' in sys.modules)"
    assert run(program) == "False\n"


@pytest.mark.parametrize(
    ("missing", "name", "extra"),
    [
        ("langchain_core", "FabricCache", "langchain"),
        ("langchain", "FabricMiddleware", "agents"),
        ("langgraph", "FabricNodeCache", "langgraph"),
    ],
)
def test_a_missing_package_names_its_extra(missing: str, name: str, extra: str) -> None:
    said = run(WITHOUT_LANGCHAIN, missing, name)
    assert said.startswith(MissingExtraError.__name__)
    assert f"cache_fabric.langchain.{name}" in said
    assert f"cache-fabric[{extra}]" in said


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="NoSuchCache"):
        _ = cache_fabric.langchain.NoSuchCache


def test_what_is_exported_is_listed() -> None:
    assert "FabricCache" in dir(cache_fabric.langchain)
