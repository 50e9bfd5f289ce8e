"""The package costs nothing until it is used, and says what is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import cache_fabric.langchain
from cache_fabric.errors import MissingExtraError

WITHOUT_LANGCHAIN = """
import sys
sys.modules["langchain_core"] = None
import cache_fabric.langchain
try:
    cache_fabric.langchain.FabricCache
except ImportError as error:
    print(type(error).__name__, error)
"""


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_importing_the_package_imports_no_langchain() -> None:
    program = "import sys, cache_fabric.langchain; print('langchain_core' in sys.modules)"
    assert run(program) == "False\n"


def test_a_missing_langchain_names_the_extra() -> None:
    said = run(WITHOUT_LANGCHAIN)
    assert said.startswith(MissingExtraError.__name__)
    assert "cache-fabric[langchain]" in said


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="NoSuchCache"):
        _ = cache_fabric.langchain.NoSuchCache


def test_what_is_exported_is_listed() -> None:
    assert "FabricCache" in dir(cache_fabric.langchain)
