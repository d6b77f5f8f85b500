"""What kustomize makes of k8s/, as far as that uses kustomize: resources, components, patches with a target, labels.

A test compares it with kustomize itself where that is installed.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]

MERGE_KEYS = {
    "containers": ("name",),
    "env": ("name",),
    "initContainers": ("name",),
    "ports": ("containerPort",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
"""By what the elements of a list are known (x-kubernetes-patch-merge-key); other lists are replaced."""


def built(folder: Path) -> list[Object]:
    """The objects of a folder with a kustomization.yaml; without the generated ConfigMaps and their references."""
    customized = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))
    objects = [one for name in customized.get("resources", []) for one in _objects(folder / name)]
    for at, customization in _all(folder, customized):
        for patch in customization.get("patches", []):
            (content,) = _objects(at / patch["path"])
            for one in objects:
                if _is_meant(one, patch["target"]):
                    _merge(one, {"spec": content["spec"]})
        for labels in customization.get("labels", []):
            for one in objects:
                _label(one, labels["pairs"])
    return objects


def pod_of(one: Object) -> Object | None:
    """The pod that the object runs, if it runs any."""
    pod: Object | None = one.get("spec", {}).get("template", {}).get("spec")
    return pod


def _all(folder: Path, customized: Object) -> Iterator[tuple[Path, Object]]:
    """Components go first."""
    for component in customized.get("components", []):
        at = folder / component
        yield from _all(at, yaml.safe_load((at / "kustomization.yaml").read_text("utf-8")))
    yield folder, customized


def _objects(path: Path) -> list[Object]:
    return [one for one in yaml.safe_load_all(path.read_text("utf-8")) if one]


def _is_meant(one: Object, target: Mapping[str, str]) -> bool:
    name, value = target.get("labelSelector", "=").split("=")
    labels = one["metadata"].get("labels", {})
    return re.fullmatch(target["kind"], one["kind"]) is not None and (not name or labels.get(name) == value)


def _merge(into: Object, patch: Object) -> None:
    for key, value in patch.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        elif key in MERGE_KEYS and key in into:
            _merge_list(into[key], value, MERGE_KEYS[key])
        else:
            into[key] = yaml.safe_load(yaml.safe_dump(value))


def _merge_list(into: list[Object], patch: list[Object], keys: tuple[str, ...]) -> None:
    for new in patch:
        old = next((one for one in into if all(one[key] == new[key] for key in keys)), None)
        if old is None:
            into.append(yaml.safe_load(yaml.safe_dump(new)))
        else:
            _merge(old, new)


def _label(one: Object, pairs: Mapping[str, str]) -> None:
    places = [one["metadata"]]
    if pod_of(one) is not None:
        places.append(one["spec"]["template"]["metadata"])
    for metadata in places:
        metadata["labels"] = {**metadata.get("labels", {}), **pairs}
