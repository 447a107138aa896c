"""The wiring as JSON has the promised keys, the former ones with their former values, and every one is documented."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fleetctl.view.wiring_document import topology_document
from tests.fakes.made_up_wiring import topology

DOCUMENTED = Path(__file__).parents[3] / "docs" / "json.md"
APART = {"namespace": "namespace", "host": "namespace", "counters": "counters"}
"""Objects that stand in several places: their keys are documented once, under this name."""
FREE = ("unknown", "settings", "statistics", "hosts", "pressure")
"""Objects whose keys are the kernel's, or those of the object they stand in."""


def test_the_keys_of_schema_1_have_the_values_they_always_had() -> None:
    document = topology_document(topology(1))
    (network,) = document["networks"]
    (attachment,) = network["attachments"]
    assert (document["schema"], document["fleet"], document["unattached"]) == (1, "shop", [])
    assert network["subnets"] == [{"subnet": "172.30.0.0/22", "gateway": "172.30.0.1"}]
    bridge = {"name": "br-aaa", "ifindex": 5000, "mac": "02:42:00:00:00:01", "mtu": 1500, "state": "up"}
    inner = {"name": "eth0", "ifindex": 2, "mac": "02:42:ac:1e:00:01", "mtu": 1500, "state": "up"}
    veth = {"name": "veth0000001", "ifindex": 3, "mac": "b2:01:02:03:04:05", "state": "up"}
    assert network["bridge"].items() >= bridge.items()
    assert attachment["interface"].items() >= (inner | {"addresses": ["172.30.0.3/22"]}).items()
    assert attachment["veth"].items() >= veth.items()
    assert attachment["port"]["state"] == "forwarding"
    assert attachment["engine"] == {"ipv4": "172.30.0.3/22", "mac": inner["mac"]}
    assert (attachment["replica"], attachment["service"], attachment["pid"]) == ("shop-web-1", "web", 4001)
    assert (attachment["state"], attachment["aliases"], attachment["gateway"]) == ("running", ["web"], "172.30.0.1")
    assert attachment["unknown"] == network["unknown"] == {}


def test_what_is_not_known_is_null_with_its_reason() -> None:
    found = topology_document(topology(11))["networks"][0]["attachments"][10]
    for key in ("interface", "veth", "port", "pid", "gateway"):
        assert found[key] is None
        assert found["unknown"][key] == "it is exited, so it has no network namespace"
    assert found["namespace"] is None


def test_sockets_ports_answers_and_counters_are_told() -> None:
    attachments = topology_document(topology(4))["networks"][0]["attachments"]
    well, silent = attachments[0], attachments[3]
    assert [(one["address"], one["port"], one["reach"]) for one in silent["namespace"]["listeners"]] == [
        ("127.0.0.1", 8080, "loopback only"),
        ("127.0.0.11", 41234, "loopback only"),
    ]
    assert well["http"] == {"url": "http://x:8080/", "status": 200, "milliseconds": 2.5, "error": None}
    assert silent["http"]["error"] == "connection refused"
    assert well["interface"]["counters"]["rx_bytes"] == 1100
    (published,) = well["published"]
    assert (published["target"], published["published"], published["proxy"]) == (
        8080,
        18001,
        {"pid": 701, "name": "docker-proxy"},
    )
    assert "--to-destination 172.30.0.3:8080" in published["rule"]


def test_the_host_is_told_only_where_it_is_asked_for() -> None:
    assert topology_document(topology(1))["host"] is None
    told = topology_document(topology(1), host=True)["host"]
    assert [one["name"] for one in told["interfaces"]][:3] == ["ens3", "docker0", "br-aaa"]


def test_any_document_is_json() -> None:
    document = topology_document(topology(12), host=True)
    assert json.loads(json.dumps(document)) == document


def test_every_key_is_documented_and_every_documented_key_exists() -> None:
    section = DOCUMENTED.read_text().partition("\n## inspect-network\n")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))
    told = set(paths(topology_document(topology(12), host=True), ""))
    known = {path for path in told if any(one.startswith((f"{path}[", f"{path}.")) for one in documented)}
    assert sorted(told - documented - known) == []
    objects = {"unattached[]", "networks[].bridge", "host"}
    assert sorted(path for path in documented - told - objects if not path.startswith("networks[].attachments[]")) == []


def paths(value: Any, at: str) -> Iterator[str]:
    """The keys as the documentation writes them: a[].b.c; free keys are a star."""
    last = at.rpartition(".")[2]
    if isinstance(value, list):
        for entry in value:
            yield from paths(entry, f"{at}[]")
    elif isinstance(value, dict) and last in FREE:
        yield f"{at}.*"
    elif isinstance(value, dict):
        inside = APART.get(last, at)
        for key, entry in value.items():
            yield from paths(entry, f"{inside}.{key}".lstrip("."))
    else:
        yield at
