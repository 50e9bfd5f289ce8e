"""The Kubernetes manifests: by the models of the official client, and their pods as processes."""

from __future__ import annotations

import contextlib
import json
import re
import runpy
import secrets
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import kubernetes.client
import openai
import pydantic
import pytest
import yaml

from integrations_smoke.contained import TOP, Processes
from integrations_smoke.pods import Pods, mounted
from servers import eventually, free_ports, running_cluster

FOLDER = TOP / "integrations" / "kubernetes"
README = FOLDER / "README.md"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
DOCUMENTS: list[dict[str, Any]] = [
    document
    for name in KUSTOMIZATION["resources"]
    for document in yaml.safe_load_all((FOLDER / name).read_text())
]
DEPLOYMENTS = {d["metadata"]["name"]: d for d in DOCUMENTS if d["kind"] == "Deployment"}
PODS = {name: d["spec"]["template"]["spec"] for name, d in DEPLOYMENTS.items()}
CONTAINERS = {name: pod["containers"][0] for name, pod in PODS.items()}
VALUES = {
    name: yaml.safe_load((FOLDER / f"{name}.values.yaml").read_text())
    for name in ("redis-cluster", "chroma")
}
SECRETS = {
    "redis-password": secrets.token_hex(16),
    "fabric-secret": secrets.token_hex(16),
    "api-token": secrets.token_hex(16),
    "litellm-master-key": f"sk-{secrets.token_hex(16)}",
    "openai-api-key": "sk-simulated",
}


def named(documents: list[dict[str, Any]]) -> list[str]:
    return [f"{d['kind']}-{d['metadata']['name']}" for d in documents]


def valid(document: dict[str, Any]) -> None:
    """Raise unless the official client's model takes it, which knows every field."""
    getattr(kubernetes.client, f"V1{document['kind']}").model_validate(document)


@pytest.mark.parametrize("document", DOCUMENTS, ids=named(DOCUMENTS))
def test_a_manifest_is_what_the_api_knows(document: dict[str, Any]) -> None:
    valid(document)


def test_a_field_that_the_api_does_not_know_is_found() -> None:
    wrong = json.loads(json.dumps(DEPLOYMENTS["dashboard"]).replace("readinessProbe", "readyProbe"))
    with pytest.raises(pydantic.ValidationError, match="readyProbe"):
        valid(wrong)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kustomize_takes_all_of_it() -> None:
    command = ["kubectl", "kustomize", str(FOLDER)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    made = list(yaml.safe_load_all(done.stdout))
    assert sorted(named(made)) == sorted(named(DOCUMENTS))
    assert {document["metadata"]["namespace"] for document in made} == {"cache-fabric"}


def test_what_selects_finds_what_it_means() -> None:
    labels = {name: d["spec"]["template"]["metadata"]["labels"] for name, d in DEPLOYMENTS.items()}
    for name, deployment in DEPLOYMENTS.items():
        assert deployment["spec"]["selector"]["matchLabels"] == labels[name]
    for document in DOCUMENTS:
        name = document["metadata"]["name"]
        if document["kind"] == "Service":
            assert document["spec"]["selector"] == labels[name]
            [port], [own] = document["spec"]["ports"], CONTAINERS[name]["ports"]
            assert (port["targetPort"], port["port"]) == (own["name"], own["containerPort"])
        if document["kind"] == "PodDisruptionBudget":
            assert document["spec"]["selector"]["matchLabels"] == labels[name]
        if document["kind"] == "NetworkPolicy" and name in labels:
            assert document["spec"]["podSelector"]["matchLabels"] == labels[name]
            [ingress] = document["spec"]["ingress"]
            [own] = CONTAINERS[name]["ports"]
            assert [port["port"] for port in ingress["ports"]] == [own["containerPort"]]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_may_do_no_more_than_it_needs(name: str) -> None:
    pod, container = PODS[name], CONTAINERS[name]
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert "memory" in container["resources"]["limits"]
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}


def test_no_secret_is_written_and_the_readme_makes_each() -> None:
    references = [
        variable["valueFrom"]["secretKeyRef"]
        for container in CONTAINERS.values()
        for variable in container["env"]
        if "valueFrom" in variable
    ]
    assert {reference["name"] for reference in references} == {"cache-fabric"}
    asked = {reference["key"] for reference in references}
    made = set(re.findall(r"--from-literal=([\w-]+)=", README.read_text()))
    assert asked == made == SECRETS.keys()
    assert "Secret" not in {document["kind"] for document in DOCUMENTS}
    for container in CONTAINERS.values():
        for variable in container["env"]:
            if re.search("PASSWORD|SECRET|TOKEN|KEY", variable["name"]):
                assert "valueFrom" in variable
    said = VALUES["redis-cluster"]["redisCluster"]["redisSecret"]
    assert said == {"secretName": "cache-fabric", "secretKey": "redis-password"}


def test_images_have_versions_and_chroma_that_of_its_client() -> None:
    [image] = {container["image"] for container in CONTAINERS.values()}
    compose = (TOP / "integrations" / "docker-compose" / "compose.yaml").read_text()
    assert f"image: {image}\n" in compose
    assert image.rpartition(":")[2] == KUSTOMIZATION["images"][0]["newTag"]
    lock = (TOP / "requirements.lock").read_text()
    assert f"\nchromadb=={VALUES['chroma']['chromadb']['apiVersion']} " in lock
    assert re.fullmatch(r"v\d+\.\d+\.\d+", VALUES["redis-cluster"]["redisCluster"]["tag"])


def test_the_charts_make_what_the_fabric_is_told_of() -> None:
    redis, chroma = VALUES["redis-cluster"], VALUES["chroma"]
    [told] = {
        variable["value"].rpartition("@")[2]
        for container in CONTAINERS.values()
        for variable in container["env"]
        if variable["name"] == "CACHE_FABRIC_STORE"
    }
    assert told == f"{redis['redisCluster']['name']}-leader:6379"
    config = next(d for d in DOCUMENTS if d["metadata"]["name"] == "cache-fabric")["data"]
    assert config["CACHE_FABRIC_INDEX"] == f"chroma+http://{chroma['fullnameOverride']}:8000"
    settings = redis["externalConfig"]["data"].splitlines()
    assert {"appendonly yes", "maxmemory-policy noeviction"} <= set(settings)
    assert redis["redisCluster"]["persistenceEnabled"] is True
    assert chroma["chromadb"]["isPersistent"] is True
    assert chroma["chromadb"]["anonymizedTelemetry"] is False


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    """A Redis Cluster and a Chroma server, as the charts make them, and the pods on them."""
    folder = tmp_path_factory.mktemp("pods")
    upstream = runpy.run_path(str(TOP / "integrations" / "litellm_proxy" / "upstream.py"))
    with (
        upstream["serving"]() as model,
        running_cluster(folder / "redis") as cluster,
        contextlib.closing(Processes(folder)) as others,
    ):
        for node in cluster.nodes:
            node.admin.config_set("requirepass", SECRETS["redis-password"])
        [port] = free_ports(1)
        chroma = ["chroma", "run", "--host", "127.0.0.1", "--port", str(port)]
        beat = f"http://127.0.0.1:{port}/api/v2/heartbeat"
        others.start("chroma", [*chroma, "--path", str(folder)], {}, lambda: is_there(beat))
        words = {
            "redis-leader:6379": f"127.0.0.1:{cluster.nodes[0].port}",
            "chroma:8000": f"127.0.0.1:{port}",
            "https://api.openai.com/v1": model.url,
        }
        with contextlib.closing(Pods(DOCUMENTS, SECRETS, folder, words)) as made:
            made.start("dashboard")
            made.start("compiler")
            yield made


def is_there(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def live(pods: Pods, key: str) -> Any:
    url = f"{pods.url('dashboard')}/v1/contexts?prefix={key}"
    headers = {"Authorization": f"Bearer {SECRETS['api-token']}"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
        found = json.loads(answer.read())["items"]
    return found[0]["value"] if found else None


@pytest.mark.timeout(300)
def test_prompts_of_the_config_map_are_published_as_it_changes(pods: Pods) -> None:
    document = next(d for d in DOCUMENTS if d["metadata"]["name"] == "prompts")
    text = document["data"]["support.md"]
    until(lambda: live(pods, "prompt:support") == text)
    place = pods.place("compiler", "prompts")
    mounted(place, {**document["data"], "support.md": "Answer in two sentences."})
    until(lambda: live(pods, "prompt:support") == "Answer in two sentences.")


def until(condition: Callable[[], object]) -> None:
    eventually(condition, "a change to come")


@pytest.mark.timeout(300)
def test_a_replica_of_the_proxy_finds_the_answer_of_another(pods: Pods) -> None:
    outcomes = []
    for _ in range(2):
        pods.start("proxy")
        with openai.OpenAI(
            base_url=f"{pods.url('proxy')}/v1", api_key=SECRETS["litellm-master-key"], max_retries=0
        ) as client:
            raw = client.chat.completions.with_raw_response.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": "Do you repair tents?"}]
            )
        outcomes.append(raw.headers["x-cache-fabric"])
        pods.stop("proxy")  # a replica that is ended has written what it owes
    assert outcomes == ["miss", "hit"]


@pytest.mark.timeout(300)
def test_probes_are_answered_without_a_token_and_nothing_else_is(pods: Pods) -> None:
    assert pods.answers("dashboard", "/healthz")
    assert pods.answers("dashboard", "/readyz")
    assert not pods.answers("dashboard", "/v1/contexts")


def test_the_readme_says_what_there_is() -> None:
    readme = README.read_text()
    assert "kubectl apply -k integrations/kubernetes" in readme
    assert set(re.findall(r"^\| `([\w.-]+)` \|", readme, re.MULTILINE)) == {
        path.name for path in FOLDER.iterdir() if path.name != "README.md"
    }
    for name in VALUES:
        assert f"-f integrations/kubernetes/{name}.values.yaml" in readme
