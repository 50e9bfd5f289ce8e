"""Runs the containers of Deployments as processes: a pod's environment, mounts and probes.

ConfigMaps are mounted, and brought up to date, by moved links, as kubelets do.
"""

from __future__ import annotations

import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from integrations_smoke.contained import IMAGE, Processes, localized
from servers import free_ports

__all__ = ["Pods", "mounted"]

_REFERENCE = re.compile(r"\$\((\w+)\)")


def mounted(folder: Path, files: Mapping[str, str]) -> None:
    """Mount a ConfigMap at a folder, or bring what is mounted there up to date."""
    folder.mkdir(exist_ok=True)
    before = [each for each in folder.glob("..2*") if each.is_dir()]
    version = folder / f"..2026_{len(before)}"
    version.mkdir()
    for name, text in files.items():
        (version / name).write_text(text)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path("..data", name))
    moved = folder / "..data_tmp"
    moved.symlink_to(version.name)
    moved.replace(folder / "..data")


class Pods:
    """One pod of each Deployment that is started.

    Args:
        documents: The manifests.
        secrets: What is in the Secret ``cache-fabric``.
        folder: For mounts and logs.
        words: Hosts and other words that are said otherwise.
    """

    def __init__(
        self,
        documents: Sequence[Mapping[str, Any]],
        secrets: Mapping[str, str],
        folder: Path,
        words: Mapping[str, str],
    ) -> None:
        self._by_name = {(d["kind"], d["metadata"]["name"]): d for d in documents}
        self._secrets, self._words = secrets, words
        self._ports: dict[str, int] = {}
        self._processes = Processes(folder)
        self.log, self.stop = self._processes.log, self._processes.stop
        self.close = self._processes.close

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"

    def place(self, deployment: str, mount: str) -> Path:
        """Where a mount of it is."""
        return self._processes.folder / f"{deployment}-{mount}"

    def start(self, name: str) -> None:
        """Start the container, and return when it has started and is ready by its probes."""
        pod = self._by_name["Deployment", name]["spec"]["template"]["spec"]
        [container] = pod["containers"]
        words = {"0.0.0.0": "127.0.0.1", **self._words, **self._mounts(name, pod, container)}
        for port in container.get("ports", ()):
            [self._ports[name]] = free_ports(1)
            words[str(port["containerPort"])] = str(self._ports[name])
        told = {**IMAGE, **self._told(container)}
        self._processes.start(
            name,
            [localized(word, words) for word in container["command"]],
            {key: localized(value, words) for key, value in told.items()},
            lambda: all(
                self.answers(name, container[probe]["httpGet"]["path"])
                for probe in ("startupProbe", "livenessProbe", "readinessProbe")
                if probe in container
            ),
        )

    def answers(self, name: str, path: str) -> bool:
        """Whether a path is answered as a probe wants it."""
        try:
            with urllib.request.urlopen(self.url(name) + path, timeout=5):
                return True
        except (OSError, urllib.error.HTTPError):
            return False

    def _mounts(
        self, name: str, pod: Mapping[str, Any], container: Mapping[str, Any]
    ) -> dict[str, str]:
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        words = {}
        for mount in container["volumeMounts"]:
            place = self.place(name, mount["name"])
            shutil.rmtree(place, ignore_errors=True)
            volume = volumes[mount["name"]]
            if "configMap" in volume:
                document = self._by_name["ConfigMap", volume["configMap"]["name"]]
                files = document["data"].items()
                mounted(place, {file: localized(text, self._words) for file, text in files})
            else:
                assert "emptyDir" in volume
                place.mkdir()
            words[mount["mountPath"]] = str(place)
        return words

    def _told(self, container: Mapping[str, Any]) -> dict[str, str]:
        told: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            told |= self._by_name["ConfigMap", source["configMapRef"]["name"]]["data"]
        for variable in container["env"]:
            if "value" in variable:  # it may name those before it
                value = _REFERENCE.sub(lambda found: told[found[1]], variable["value"])
            else:
                value = self._secrets[variable["valueFrom"]["secretKeyRef"]["key"]]
            told[variable["name"]] = value
        return told
