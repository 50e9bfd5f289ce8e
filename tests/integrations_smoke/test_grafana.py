"""The dashboard and the alerts name what the code exports, and Prometheus takes them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cache_fabric import create_cache_fabric
from cache_fabric.instrumentation.events import (
    FeedbackEvent,
    LabelEvent,
    LookupEvent,
    StoreEvent,
    VerdictEvent,
)
from cache_fabric.instrumentation.prometheus import FabricCollector
from cache_fabric.types import Usage

FOLDER = Path(__file__).parents[2] / "integrations" / "grafana"
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
RULES = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
OF_THE_SCRAPE = {"job", "instance"}
SELECTOR = re.compile(r"\b(cachefabric[_:][\w:]+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPED = re.compile(r"\b(?:by|on|ignoring|without)\s*\(([^)]*)\)")
promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")

Exported = dict[str, dict[str, set[str]]]


@pytest.fixture(scope="module")
def exported() -> Exported:
    """Values of each label of each name, of a fabric to which a little of everything happened."""
    fabric = create_cache_fabric("memory")
    usage = Usage(input_tokens=10, output_tokens=5)
    label: dict[str, Any] = {"policy": "p", "family": "f", "probability": 0.9, "similarity": 0.9}
    for event in (
        LookupEvent(outcome="miss", model="m", reason="", seconds=0.1),
        StoreEvent(outcome="stored", model="m", usage=usage),
        LabelEvent(**label, right=True, weight=1.0, drifted=False),
        FeedbackEvent(verdict="bad"),
        VerdictEvent(entry_id="e", action="quarantined"),
    ):
        fabric._metrics(event)
    fabric.sync.set_context("k", 1)
    fabric.sync.track_execution("run", "graph", {})
    fabric.sync.get_execution("run")
    found: Exported = {}
    for family in FabricCollector(fabric).collect():
        for sample in family.samples:
            labels = found.setdefault(sample.name, defaultdict(set))
            for name, value in sample.labels.items():
                labels[name].add(value)
    fabric.sync.close()
    return found


def queries() -> Iterator[str]:
    """Every expression of the dashboard and of the rules."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
    for annotation in DASHBOARD["annotations"]["list"]:
        yield annotation["expr"]
    for rule in RULES:
        yield rule["expr"]


RECORDED = {rule["record"] for rule in RULES if "record" in rule}


@pytest.mark.parametrize("query", list(dict.fromkeys(queries())), ids=lambda query: query[:50])
def test_a_query_names_what_is_exported(query: str, exported: Exported) -> None:
    selectors = SELECTOR.findall(query)
    assert selectors
    labels = set(OF_THE_SCRAPE)
    for name, matchers in selectors:
        if name in RECORDED:
            continue
        assert name in exported, name
        labels |= exported[name].keys()
        for label, operator, value in MATCHER.findall(matchers):
            assert label in exported[name].keys() | OF_THE_SCRAPE, (name, label)
            if label in exported[name]:
                values = value.split("|") if operator in {"=~", "!~"} else [value]
                assert set(values) <= exported[name][label], (name, label, value)
    for grouped in GROUPED.findall(query):
        assert {label.strip() for label in grouped.split(",")} <= labels, grouped


def test_a_legend_names_labels_that_its_query_keeps() -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                by = ",".join(GROUPED.findall(target["expr"]))
                assert label in by or label in OF_THE_SCRAPE, (panel["title"], label)


def test_the_dashboard_shows_what_was_asked_of_it() -> None:
    titles = {panel["title"] for panel in DASHBOARD["panels"]}
    assert {"Net savings", "Hit rate and error rate", "Latency by tier, p95"} <= titles
    [marks] = DASHBOARD["annotations"]["list"]
    assert "context_propagation" in marks["expr"]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    places = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for at in [panel["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24


def test_there_are_the_four_alerts_and_the_readme_says_when_each_fires() -> None:
    alerts = {rule["alert"] for rule in RULES if "alert" in rule}
    readme = (FOLDER / "README.md").read_text()
    assert alerts == set(re.findall(r"^\| `(CacheFabric\w+)` \|", readme, re.MULTILINE))
    assert len(alerts) == 4


def test_the_readme_lists_every_name_with_its_labels(exported: Exported) -> None:
    readme = (FOLDER / "README.md").read_text().partition("## What is measured")[2]
    told = {}
    for names, labels in re.findall(r"^\| (`[^|]*`) \| ([^|]*)\|", readme, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            told[name] = set(re.findall(r"`(\w+)`", labels))
    fabric = create_cache_fabric("memory")
    described = {
        f.name.removeprefix("cachefabric_") + ("_total" if f.type == "counter" else "")
        for f in FabricCollector(fabric).describe()
    }
    assert told.keys() == described
    for name, labels in exported.items():
        shown = labels.keys() - {"le"}
        short = re.sub(r"_(bucket|count|sum)$", "", name.removeprefix("cachefabric_"))
        assert shown == told[short], name


@promtool
@pytest.mark.parametrize(
    "command",
    [
        "check rules alerts.yml",
        "check config --syntax-only prometheus.yml",
        "test rules alerts_test.yml",
    ],
)
def test_promtool_takes(command: str) -> None:
    done = subprocess.run(
        ["promtool", *command.split()],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@promtool
def test_promtool_can_read_every_query_of_the_dashboard(tmp_path: Path) -> None:
    words = {"$job": ".+", "$__rate_interval": "1m", "$__range": "1h"}
    rules = []
    for number, query in enumerate(queries()):
        for word, value in words.items():
            query = query.replace(word, value)
        rules.append({"record": f"read:{number}", "expr": query})
    written = tmp_path / "queries.yml"
    written.write_text(yaml.safe_dump({"groups": [{"name": "read", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", written],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(180)
def test_one_command_shows_what_prometheus_and_the_dashboard_show() -> None:
    done = subprocess.run(
        [sys.executable, FOLDER / "run.py", "--seconds", "12"],
        capture_output=True,
        text=True,
        timeout=160,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("model: simulated")
    if shutil.which("prometheus") is None:
        assert "cachefabric_requests_total{" in done.stdout
        return
    shown = dict(re.findall(r"^  (\S.*?) {2,}(\S+)$", done.stdout, re.MULTILINE))
    for line in ("hit rate", "hit hot", "miss", "net saved", "p99", "written", "connected"):
        assert float(shown[line]) > 0, (line, done.stdout)
    assert {shown[rule.get("alert") or rule["record"]] for rule in RULES} == {"ok"}
