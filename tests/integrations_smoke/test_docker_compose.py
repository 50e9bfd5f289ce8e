"""The compose stack: the file by its schema, and its services as real processes, without images."""

from __future__ import annotations

import contextlib
import json
import re
import runpy
import secrets
import shutil
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml

from cache_fabric.factory import resolve_fabric_from_env
from integrations_smoke.composed import Stack, interpolated, variables
from integrations_smoke.contained import IMAGE, TOP

FOLDER = TOP / "integrations" / "docker-compose"
FILE = FOLDER / "compose.yaml"
DOCKERFILE = (FOLDER / "Dockerfile").read_text()
PORTS = {"redis": 6379, "chroma": 8000, "proxy": 4000, "dashboard": 8090, "prometheus": 9090}
GIVEN = {name: secrets.token_hex(16) for name in variables(FILE.read_text())}
DOCUMENT = yaml.safe_load(interpolated(FILE.read_text(), GIVEN))
SERVICES: dict[str, Any] = DOCUMENT["services"]
PATIENCE = 60


def valid(file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    return subprocess.run([*command, file], capture_output=True, text=True, timeout=60, check=False)


def test_the_file_is_valid_by_the_schema_of_the_compose_specification(tmp_path: Path) -> None:
    done = valid(FILE)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(FILE.read_text().replace("healthcheck:", "healtcheck:", 1))
    assert valid(wrong).returncode == 1


def test_images_have_versions() -> None:
    images = [service["image"] for service in SERVICES.values()]
    images += re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    for image in images:
        assert re.search(r":v?\d+\.\d+", image), image
    version = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["version"]
    assert {s["image"] for s in SERVICES.values() if "build" in s} == {f"cache-fabric:{version}"}


def test_no_secret_is_written_and_each_is_asked_for() -> None:
    told = variables(FILE.read_text())
    shown = dict(re.findall(r"^(\w+)=(.*)$", (FOLDER / ".env.example").read_text(), re.MULTILINE))
    assert told.keys() == shown.keys()
    assert {name for name, operator in told.items() if operator == "-"} == {"UPSTREAM_URL"}
    assert {name for name, value in shown.items() if value} == {"UPSTREAM_URL"}
    for name in told.keys() - {"UPSTREAM_URL"}:
        with pytest.raises(LookupError, match=name):
            interpolated(FILE.read_text(), {**GIVEN, name: ""})
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|TOKEN|KEY|AUTH", name):
                assert value in GIVEN.values(), name


def test_nothing_is_reached_from_outside_and_nothing_runs_as_more_than_it_needs() -> None:
    for name, service in SERVICES.items():
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name
        assert service["cap_drop"] == ["ALL"]
        assert service["healthcheck"]["test"]
        assert service["restart"] == "unless-stopped"
    assert DOCUMENT["networks"]["inside"] == {"internal": True}
    assert {n for n, s in SERVICES.items() if s["networks"] == ["inside"]} == {"redis", "chroma"}
    assert re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE) == ["10001"]


def test_what_is_kept_is_in_a_volume() -> None:
    mounted = {
        volume.partition(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", ())
        if not volume.startswith(".")
    }
    assert mounted == DOCUMENT["volumes"].keys() == {"redis", "chroma", "prometheus", "grafana"}


def test_the_image_is_told_to_report_nothing() -> None:
    exported = re.findall(r"^export (\w+) := (\S+)", (TOP / "Makefile").read_text(), re.MULTILINE)
    assert dict(exported).items() <= IMAGE.items()
    grafana = SERVICES["grafana"]["environment"]
    for name in ("REPORTING_ENABLED", "CHECK_FOR_UPDATES", "CHECK_FOR_PLUGIN_UPDATES"):
        assert grafana[f"GF_ANALYTICS_{name}"] == "false"
    assert SERVICES["proxy"]["command"][-2:] == ["--telemetry", "False"]


def test_the_image_is_made_of_what_there_is() -> None:
    seen = (FOLDER / "Dockerfile.dockerignore").read_text().split()
    for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE):
        for source in line.split():
            assert (TOP / source).exists()
            assert f"!{source}" in seen
    [named] = re.findall(r'"\.\[([\w,]+)\]"', DOCKERFILE)
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    assert set(named.split(",")) <= project["optional-dependencies"].keys()


def test_grafana_finds_its_source_and_its_dashboard() -> None:
    mounts = dict(volume.split(":")[:2] for volume in SERVICES["grafana"]["volumes"])
    for source in mounts:
        assert not source.startswith(".") or (FOLDER / source).is_file(), source
    [source] = yaml.safe_load((FOLDER / "grafana" / "datasources.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    dashboard = json.loads((TOP / "integrations" / "grafana" / "dashboard.json").read_text())
    [asked] = [v for v in dashboard["templating"]["list"] if v["type"] == "datasource"]
    assert source["type"] == asked["query"]
    [provider] = yaml.safe_load((FOLDER / "grafana" / "dashboards.yml").read_text())["providers"]
    shown = Path(mounts["../grafana/dashboard.json"])
    assert shown.parent == Path(provider["options"]["path"])


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Redis, Chroma, proxy and dashboard; the model behind the proxy is simulated."""
    upstream = runpy.run_path(str(TOP / "integrations" / "litellm_proxy" / "upstream.py"))
    folder = tmp_path_factory.mktemp("stack")
    with upstream["serving"]() as model:
        given = {**GIVEN, "UPSTREAM_URL": model.url}
        made = Stack(
            FILE,
            given,
            folder,
            PORTS,
            entrypoints={"prom/prometheus": "prometheus"},
            changes={"15s": "1s"},
        )
        with contextlib.closing(made):
            for name in ("redis", "chroma", "proxy", "dashboard"):
                made.start(name)
            yield made


def fetched(url: str, token: str | None = None, body: Any = None, method: str | None = None) -> Any:
    headers = {"Authorization": f"Bearer {token or GIVEN['CACHE_FABRIC_API_TOKEN']}"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def asked(stack: Stack, question: str, **more: Any) -> Any:
    """Headers of one call through the proxy."""
    with openai.OpenAI(
        base_url=f"{stack.url('proxy')}/v1", api_key=GIVEN["LITELLM_MASTER_KEY"], max_retries=0
    ) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": question}], extra_body=more
        )
        assert raw.parse().choices[0].message.content
        return raw.headers


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.2)
    pytest.fail("gave up waiting")


@pytest.mark.timeout(400)
def test_the_stack_answers_twice_and_pays_once(stack: Stack) -> None:
    question = "How do I reset my password?"
    assert asked(stack, question)["x-cache-fabric"] == "miss"
    again = asked(stack, question)
    assert again["x-cache-fabric"] == "hit"
    answers = f"{stack.url('dashboard')}/v1/answers"
    kept = until(lambda: fetched(answers)["items"])
    assert [answer["question"] for answer in kept] == [question]


@pytest.mark.timeout(400)
def test_the_dashboard_has_its_page(stack: Stack) -> None:
    with urllib.request.urlopen(stack.url("dashboard"), timeout=30) as page:
        assert page.headers.get_content_type() == "text/html"


@pytest.mark.timeout(400)
def test_vectors_are_in_the_chroma_server(stack: Stack) -> None:
    asked(stack, "Do you ship to Norway?")
    place = f"{stack.url('chroma')}/api/v2/tenants/default_tenant/databases/default_database"

    def counted() -> int:
        collections = fetched(f"{place}/collections")
        return sum(fetched(f"{place}/collections/{each['id']}/count") for each in collections)

    assert until(counted) > 0


@pytest.mark.timeout(400)
def test_a_prompt_set_on_the_dashboard_is_served_by_the_proxy(stack: Stack) -> None:
    context = f"{stack.url('dashboard')}/v1/contexts/support"
    fetched(context, body={"value": "Answer in one sentence."}, method="PUT")
    headers = until(lambda: _with_prompt(stack))
    assert headers["x-cache-fabric-prompt"] == "support@1"


def _with_prompt(stack: Stack) -> Any:
    try:
        return asked(stack, "May I return it?", prompt_id="support")
    except openai.BadRequestError:  # it has not come to the proxy yet
        return None


@pytest.mark.timeout(400)
def test_redis_may_be_started_anew(stack: Stack) -> None:
    context = f"{stack.url('dashboard')}/v1/contexts/kept"
    fetched(context, body={"value": "still here"}, method="PUT")
    stack.stop("redis")
    assert asked(stack, "Is it open on Sunday?")["x-cache-fabric"] in ("miss", "bypass")
    stack.start("redis")
    stack.stop("dashboard")
    stack.start("dashboard")
    assert fetched(context)["value"] == "still here"


@pytest.mark.timeout(400)
@pytest.mark.skipif(
    None in (shutil.which("prometheus"), shutil.which("wget")),
    reason="prometheus, and wget for its health check, are not installed",
)
def test_prometheus_scrapes_the_dashboard_with_the_token(stack: Stack) -> None:
    asked(stack, "Can I pay by card?")
    stack.start("prometheus")
    query = f"{stack.url('prometheus')}/api/v1/query?query=cachefabric_requests_total"
    assert until(lambda: fetched(query)["data"]["result"])
    groups = fetched(f"{stack.url('prometheus')}/api/v1/rules")["data"]["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} <= {"ok", "unknown"}


def test_the_readme_says_what_there_is() -> None:
    readme = (FOLDER / "README.md").read_text()
    assert "docker compose up" in readme
    assert set(re.findall(r"^\| `([\w./-]+)` \|", readme, re.MULTILINE)) == {
        path.relative_to(FOLDER).as_posix()
        for path in FOLDER.rglob("*")
        if path.is_file() and path.name not in ("README.md", ".env")
    }
    for port in (each.split(":")[1] for s in SERVICES.values() for each in s.get("ports", ())):
        assert f":{port}" in readme


def test_every_process_of_the_fabric_is_told_the_same() -> None:
    ours = [SERVICES[name]["environment"] for name in ("proxy", "dashboard")]
    for environment in ours:
        fabric = resolve_fabric_from_env(environment)
        assert fabric.config.secret == GIVEN["CACHE_FABRIC_SECRET"].encode()
    names = ("CACHE_BACKEND", "CACHE_FABRIC_STORE", "CACHE_FABRIC_INDEX", "CACHE_FABRIC_SECRET")
    assert len({tuple(environment[name] for name in names) for environment in ours}) == 1
