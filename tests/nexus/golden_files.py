"""What a manifest says, as plain data.

A golden file ``x.expected.json`` stands beside its manifest ``x.yaml``, ``x.json`` or folder ``x``;
``python tests/nexus/golden_files.py`` writes them all anew.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cache_fabric.nexus.formats import read_manifest
from cache_fabric.nexus.manifest import Manifest

GOLDEN = Path(__file__).parent / "golden"
EXPECTED = ".expected.json"


def cases() -> list[Path]:
    """Return the manifests that have a golden file."""
    return [path for path in sorted(GOLDEN.glob("*/*")) if not path.name.endswith(EXPECTED)]


def expected(path: Path) -> Path:
    return path.with_name(path.name.partition(".")[0] + EXPECTED)


def said(manifest: Manifest) -> Any:
    """Return all that a manifest says as plain data, with files named from the golden folder."""
    text = json.dumps(asdict(manifest), ensure_ascii=False)
    return json.loads(text.replace(f"{GOLDEN.as_posix()}/", ""))


def main() -> None:
    for path in cases():
        text = json.dumps(said(read_manifest(path)), indent=1, ensure_ascii=False)
        expected(path).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
