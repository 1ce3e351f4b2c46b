"""The Pod Security Standard `restricted`, by which a namespace refuses pods (Kubernetes, Pod Security Standards)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
_HOSTS = ("hostNetwork", "hostPID", "hostIPC")


def refusals(pod: Mapping[str, Any]) -> list[str]:
    """Why a namespace that enforces it would not take a pod."""
    return list(_of_pod(pod))


def _of_pod(pod: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"pod: {each}" for each in _HOSTS if pod.get(each))
    for volume in pod.get("volumes") or ():
        yield from (f"volume {volume['name']}: {kind}" for kind in volume.keys() - _VOLUMES - {"name"})
    for container in [*(pod.get("initContainers") or ()), *pod["containers"]]:
        where = f"container {container['name']}"
        yield from (f"{where}: {each}" for each in _of_container(container, pod.get("securityContext") or {}))


def _of_container(container: Mapping[str, Any], of_pod: Mapping[str, Any]) -> Iterator[str]:
    own = container.get("securityContext") or {}
    both = {**of_pod, **own}
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    capabilities = own.get("capabilities") or {}
    if "ALL" not in capabilities.get("drop", ()):
        yield "capabilities are not dropped"
    if set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"}:
        yield "capabilities are added"
    if both.get("runAsNonRoot") is not True:
        yield "runAsNonRoot"
    if both.get("runAsUser") == 0:
        yield "runAsUser"
    if (both.get("seccompProfile") or {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "seccompProfile"
    if any("hostPort" in port for port in container.get("ports") or ()):
        yield "hostPort"
