"""k8s/ runs what topology.yaml says, by command lines that exist, in pods that the restricted level admits."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import kubernetes_validate
import pytest
import yaml

from flexmeter.cli import main
from flexmeter.known import known
from flexmeter.local.roles import Role, roles
from schemas.topology import Topology, load_topology
from tests.kustomized import Object, built, pod_of

ROOT = Path(__file__).parents[2]
BASE, ROUTER, EXAMPLE = ROOT / "k8s/base", ROOT / "k8s/components/router", ROOT / "k8s/overlays/example"
DOCS = (ROOT / "docs/kubernetes.md").read_text("utf-8")
OLDEST = "1.30"
"""As docs/kubernetes.md says."""

NAME, COMPONENT, PART_OF = (f"app.kubernetes.io/{label}" for label in ("name", "component", "part-of"))
SECRET_URLS = {
    "MQTT_URL": "mqtts://bridge:secret@broker.example.org",
    "AMQP_URL": "amqps://bridge:secret@broker.example.org/%2F",
    "CLICKHOUSE_URL": "clickhouses://sink:secret@clickhouse.example.org:9440",
    "FLEXMETER_RECOMPUTE_DATABASE": "clickhouses://recompute:secret@clickhouse.example.org:9440",
    "SMTP_URL": "smtps://flexmeter:secret@mail.example.org",
}


def settings() -> dict[str, str]:
    lines = (BASE / "settings.env").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def objects_of(kind: str) -> list[Object]:
    return [one for one in OBJECTS if one["kind"] == kind]


def containers(workload: Object) -> list[Object]:
    pod = workload["spec"]["template"]["spec"]
    return [*pod["initContainers"], *pod["containers"]]


def main_container(workload: Object) -> Object:
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    return dict(container)


def environment(workload: Object) -> dict[str, str]:
    """Of the role, with something in place of what the Secrets hold."""
    own = {one["name"]: SECRET_URLS.get(one["name"], "pod-0") for one in main_container(workload).get("env", [])}
    return {**settings(), **own}


def roles_of(path: Path) -> list[Role]:
    return roles(load_topology(path, {}, known()), count().__next__)


def object_name(role: Role) -> str:
    return role.name.replace("_", "-")


OBJECTS = [*built(BASE), *built(ROUTER)]
WORKLOADS = {one["metadata"]["name"]: one for one in OBJECTS if pod_of(one) is not None}
ROLES = {
    object_name(role): role
    for role in [
        *roles_of(ROOT / "topology.yaml"),
        *(role for role in roles_of(ROOT / "examples/topology-all.yaml") if role.entry == "control_room"),
    ]
}
each_workload = pytest.mark.parametrize("name", WORKLOADS)


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
@pytest.mark.parametrize("one", OBJECTS, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_kubernetes_knows_every_field(one: Object, version: str) -> None:
    kubernetes_validate.validate(one, version, strict=True)


def test_the_oldest_version_is_told() -> None:
    assert f"Kubernetes {OLDEST}" in DOCS


def test_every_role_has_its_workload_and_nothing_else_runs() -> None:
    wanted, there = set(ROLES), set(WORKLOADS)
    assert there == wanted, (
        f"k8s/base lacks {sorted(wanted - there)}, has {sorted(there - wanted)} besides: docs/adding-a-stream.md, 5."
    )


@each_workload
def test_the_command_line_is_that_of_the_role(name: str) -> None:
    role = ROLES[name]
    assert main_container(WORKLOADS[name])["args"] == [role.command, "--name", role.entry]
    assert WORKLOADS[name]["metadata"]["labels"][COMPONENT] == role.command


@each_workload
def test_every_command_line_exists(name: str) -> None:
    for container in containers(WORKLOADS[name]):
        if "command" not in container:
            parse(main, "flexmeter", container["args"])


def parse(command: click.Command, name: str, args: list[str]) -> None:
    """Let click read the command line without running it; raises UsageError. No group of ours has options."""
    if not isinstance(command, click.Group):
        command.make_context(name, list(args))
        return
    found = command.get_command(click.Context(command), args[0])
    if found is None:
        raise click.UsageError(f"{name} has no command {args[0]!r}")
    parse(found, args[0], args[1:])


@pytest.mark.parametrize("args", [["bridge"], ["worker", "--nam", "x"], ["topology", "draw"]])
def test_a_command_line_that_does_not_exist_is_found(args: list[str]) -> None:
    with pytest.raises(click.UsageError):
        parse(main, "flexmeter", args)


def test_the_topology_is_the_projects() -> None:
    same = (BASE / "topology.yaml").read_text("utf-8") == (ROOT / "topology.yaml").read_text("utf-8")
    assert same, "cp topology.yaml k8s/base/topology.yaml (kustomize reads no file of a folder above)"


def test_every_variable_of_the_topology_is_set() -> None:
    asked = set(re.findall(r"\$\{(\w+)", re.sub(r"#.*", "", (BASE / "topology.yaml").read_text("utf-8"))))
    given = {one["name"] for workload in WORKLOADS.values() for one in main_container(workload).get("env", [])}
    assert asked <= set(settings()) | given


def topology_for(name: str) -> Topology:
    """As the role reads it."""
    file = "examples/topology-all.yaml" if ROLES[name].command == "router" else "topology.yaml"
    return load_topology(ROOT / file, environment(WORKLOADS[name]), known())


@each_workload
def test_no_role_looks_on_its_own_machine(name: str) -> None:
    role, topology = ROLES[name], topology_for(name)
    assert "127.0.0.1" not in topology.kafka.bootstrap
    parts: Any = {"bridge": topology.bridges, "sink": topology.sinks, "router": topology.routers}.get(role.command, {})
    if role.entry in parts:
        assert urlsplit(parts[role.entry].url).hostname not in (None, "127.0.0.1")
    if role.command == "recompute":
        assert "FLEXMETER_RECOMPUTE_DATABASE" in environment(WORKLOADS[name])


def test_the_register_is_on_kafka_and_comes_through_standard_input() -> None:
    topology = load_topology(ROOT / "topology.yaml", settings() | SECRET_URLS, known())
    assert topology.register_topic is not None
    assert topology.register == "-"
    (told,) = re.findall(r"-- flexmeter (register .*) <", DOCS)
    parse(main, "flexmeter", told.split())


def test_a_command_in_a_pod_of_its_own_has_what_its_bridge_has_and_more_memory() -> None:
    ((bridge, args, memory),) = re.findall(
        r"get deployment (\S+) .*\n *jq --argjson args '(.*)' --arg memory (\w+) ", DOCS
    )
    words = ["jq", "--argjson", "args", args, "--arg", "memory", memory, "-f", str(ROOT / "k8s/command.jq")]
    workload = json.dumps(WORKLOADS[bridge])
    pod = json.loads(subprocess.run(words, input=workload, capture_output=True, text=True, check=True).stdout)
    (container,) = pod["spec"]["containers"]
    kubernetes_validate.validate({**pod, "kind": "Pod", "metadata": {"name": "register"}}, OLDEST, strict=True)
    parse(main, "flexmeter", container["args"])
    own = main_container(WORKLOADS[bridge])
    assert all(container[key] == own[key] for key in ("image", "envFrom", "volumeMounts", "securityContext"))
    assert pod["spec"]["volumes"] == WORKLOADS[bridge]["spec"]["template"]["spec"]["volumes"]
    assert (own["resources"]["limits"], container["resources"]["limits"]) == ({"memory": "1Gi"}, {"memory": memory})


@each_workload
def test_files_that_are_named_are_mounted(name: str) -> None:
    role, topology, env = ROLES[name], topology_for(name), environment(WORKLOADS[name])
    files = [env["FLEXMETER_TOPOLOGY"]]
    if role.command == "bridge":
        options = topology.bridges[role.entry].options
        files += [topology.principals, topology.keys]
        files += [value for option, value in options.items() if option.endswith("_file") and value]
    mounts = {mount["mountPath"] for mount in main_container(WORKLOADS[name])["volumeMounts"]}
    assert {str(Path(file).parent) for file in files} <= mounts


@each_workload
def test_the_pod_meets_the_restricted_level(name: str) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    pod = WORKLOADS[name]["spec"]["template"]["spec"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    allowed = {"configMap", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
    assert all(set(volume) - {"name"} <= allowed for volume in pod["volumes"])
    for container in containers(WORKLOADS[name]):
        context = container["securityContext"]
        assert set(context) == {"allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities"}
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert not any("hostPort" in port for port in container.get("ports", []))


@each_workload
def test_nothing_is_written_but_to_volumes(name: str) -> None:
    pod = WORKLOADS[name]["spec"]["template"]["spec"]
    assert all(container["securityContext"]["readOnlyRootFilesystem"] for container in containers(WORKLOADS[name]))
    writable = {volume["name"] for volume in pod["volumes"] if "emptyDir" in volume}
    mounts = {mount["mountPath"]: mount["name"] for mount in main_container(WORKLOADS[name])["volumeMounts"]}
    caches = re.findall(r"NUMBA_CACHE_DIR=(\S+)", (ROOT / "Dockerfile").read_text("utf-8"))
    assert len(set(caches)) == 1
    assert {mounts[caches[0]], mounts["/tmp"]} <= writable


@each_workload
def test_every_container_says_what_it_needs(name: str) -> None:
    for container in containers(WORKLOADS[name]):
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


@each_workload
def test_ports_are_those_of_the_topology(name: str) -> None:
    role, env = ROLES[name], environment(WORKLOADS[name])
    wanted = {("metrics", int(env["FLEXMETER_METRICS_PORT"]), "TCP")}
    bridge = topology_for(name).bridges.get(role.entry) if role.command == "bridge" else None
    if bridge is not None and bridge.protocol in ("http", "coap"):
        url = urlsplit(bridge.url)
        wanted.add((url.scheme, url.port or 0, "UDP" if bridge.protocol == "coap" else "TCP"))
    ports = main_container(WORKLOADS[name])["ports"]
    assert {(port["name"], port["containerPort"], port.get("protocol", "TCP")) for port in ports} == wanted


def doors() -> Iterator[tuple[Object, str, str]]:
    """What leads to a port of pods: the pods' labels, the port's name and protocol."""
    for service in objects_of("Service"):
        for port in service["spec"]["ports"]:
            yield service["spec"]["selector"], port["targetPort"], port.get("protocol", "TCP")
    for policy in objects_of("NetworkPolicy"):
        for rule in policy["spec"].get("ingress", []):
            for port in rule["ports"]:
                yield policy["spec"]["podSelector"]["matchLabels"], port["port"], port["protocol"]


def test_services_and_policies_lead_to_ports_that_are_there() -> None:
    led = set()
    for labels, port, protocol in doors():
        chosen = [one for one in WORKLOADS.values() if is_chosen(one, labels)]
        assert chosen
        for one in chosen:
            ports = {(each["name"], each.get("protocol", "TCP")) for each in main_container(one)["ports"]}
            assert (port, protocol) in ports
            led.add((one["metadata"]["name"], port))
    everything = {(name, port["name"]) for name, one in WORKLOADS.items() for port in main_container(one)["ports"]}
    assert led == everything


def is_chosen(workload: Object, labels: Object) -> bool:
    return set(labels.items()) <= set(workload["spec"]["template"]["metadata"]["labels"].items())


def test_every_workload_and_its_disruption_budget_mean_the_same_pods() -> None:
    for kind in ("Deployment", "StatefulSet"):
        for one in objects_of(kind):
            assert one["spec"]["selector"] == {"matchLabels": {NAME: one["metadata"]["name"]}}
            assert is_chosen(one, one["spec"]["selector"]["matchLabels"])
            assert one["spec"]["template"]["metadata"]["labels"][PART_OF] == "flexmeter"
    budgets = {
        one["metadata"]["name"]: one["spec"]["selector"]["matchLabels"] for one in objects_of("PodDisruptionBudget")
    }
    assert budgets == {name: {NAME: name} for name in WORKLOADS}


@each_workload
def test_names_that_must_last_are_names_of_a_stateful_set(name: str) -> None:
    """Members of a Kafka group, and MQTT sessions, are known by the instance."""
    role = ROLES[name]
    lasts = role.command == "worker" or (role.command == "bridge" and role.entry.startswith("mqtt"))
    env = {one["name"] for one in main_container(WORKLOADS[name]).get("env", [])}
    assert (WORKLOADS[name]["kind"] == "StatefulSet") == lasts
    assert ("FLEXMETER_INSTANCE" in env) == lasts


@pytest.mark.parametrize("name", [name for name, role in ROLES.items() if role.command == "worker"])
def test_no_worker_is_without_a_partition(name: str) -> None:
    topology = topology_for(name)
    partitions = topology.topics[topology.streams[ROLES[name].entry].input].partitions
    counts = [WORKLOADS[name]["spec"]["replicas"], *example_replicas().get(name, [])]
    assert all(0 < replicas <= partitions for replicas in counts)


def test_secrets_are_named_in_the_docs_and_not_contained() -> None:
    assert not objects_of("Secret")
    for workload in WORKLOADS.values():
        for volume in workload["spec"]["template"]["spec"]["volumes"]:
            if "secret" in volume:
                assert f"`{volume['secret']['secretName']}`" in DOCS
        for one in main_container(workload).get("env", []):
            if "secretKeyRef" in one["valueFrom"]:
                assert f"`{one['valueFrom']['secretKeyRef']['name']}`" in DOCS


def example() -> Any:
    return yaml.safe_load((EXAMPLE / "kustomization.yaml").read_text("utf-8"))


def example_replicas() -> dict[str, list[int]]:
    return {one["name"]: [one["count"]] for one in example()["replicas"]}


def test_the_example_speaks_of_what_is_there() -> None:
    names = {one["metadata"]["name"] for one in OBJECTS}
    assert set(example_replicas()) <= set(WORKLOADS)
    assert {patch["target"]["name"] for patch in example()["patches"]} <= names
    (merged,) = example()["configMapGenerator"]
    assert {literal.split("=")[0] for literal in merged["literals"]} <= set(settings())


KUSTOMIZE = shutil.which("kustomize", path=f"{os.environ['PATH']}{os.pathsep}{ROOT / '.parts/bin'}")
asks_kustomize = pytest.mark.skipif(not KUSTOMIZE, reason="kustomize is not installed: its installer needs go")


@asks_kustomize
@pytest.mark.parametrize("folder", [BASE, ROUTER])
def test_kustomize_builds_the_same(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "k8s", tmp_path / "k8s")
    kind = "components" if folder is ROUTER else "resources"
    (tmp_path / "kustomization.yaml").write_text(f"{kind}: [{folder.relative_to(ROOT)}]\n", "utf-8")
    done = subprocess.run([str(KUSTOMIZE), "build", tmp_path], capture_output=True, text=True, check=True)
    made = [one for one in yaml.safe_load_all(done.stdout) if one["kind"] != "ConfigMap"]
    assert canonical(made) == canonical(built(folder))


@asks_kustomize
def test_kustomize_builds_the_example() -> None:
    done = subprocess.run([str(KUSTOMIZE), "build", EXAMPLE], capture_output=True, text=True, check=True)
    made = list(yaml.safe_load_all(done.stdout))
    for one in made:
        kubernetes_validate.validate(one, OLDEST, strict=True)
    names = {one["metadata"]["name"] for one in made}
    assert "bridge-amqp-turin" not in names
    assert {"bridge-mqtt-malmo", "worker-metering", "sink-clickhouse"} <= names
    images = {container["image"] for one in made if pod_of(one) is not None for container in containers(one)}
    assert images == {"registry.example.org/metering/flexmeter:0.1.0"}


def canonical(objects: list[Object]) -> Any:
    """Without the namespace and the hashes in names of ConfigMaps; lists whose order says nothing in one order."""
    told = [{**one, "metadata": {k: v for k, v in one["metadata"].items() if k != "namespace"}} for one in objects]
    return ordered(yaml.safe_load(re.sub(r"\b(topology|settings)-[a-z0-9]{10}\b", r"\1", yaml.safe_dump(told))))


def ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: each if key in ("args", "command") else ordered(each) for key, each in sorted(value.items())}
    if isinstance(value, list):
        return sorted((ordered(each) for each in value), key=str)
    return value
