from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleetctl.diagnosis.packet import Packet, fate
from fleetctl.net.rules import hits, read_filters
from fleetctl.state.filters import RuleHit
from tests.e2e import nft_writer
from tests.e2e.bridged import CLIENT, PORT, SERVER, Bridged, bridged, question


@pytest.fixture
def lab() -> Iterator[Bridged]:
    yield from bridged()


def met(lab: Bridged, place: str) -> tuple[str | None, list[RuleHit]]:
    """What the client was told, and which rules of a namespace its question met."""
    before = lab.within(place, read_filters)
    said = lab.ask()
    after = lab.within(place, read_filters)
    assert not before.unknown
    assert not after.unknown
    return said, list(hits(before, after))


def named(hit: RuleHit) -> str:
    rule = hit.rule
    return f"{rule.tool} {rule.table} {rule.chain} {rule.position} {rule.verdict}"


@dataclass(frozen=True)
class Fault:
    place: str
    commands: list[str]
    guilty: str


FAULTS = {
    "input": Fault("server", ["iptables -A INPUT -p tcp --dport 8080 -j DROP"], "iptables filter INPUT 1 DROP"),
    "reject": Fault("server", ["iptables -A INPUT -p tcp -j REJECT"], "iptables filter INPUT 1 REJECT"),
    "reply": Fault("server", ["iptables -A OUTPUT -p tcp --sport 8080 -j DROP"], "iptables filter OUTPUT 1 DROP"),
    "output": Fault("client", ["iptables -A OUTPUT -p tcp -j DROP"], "iptables filter OUTPUT 1 DROP"),
    "forward": Fault("host", ["iptables -A FORWARD -i br0 -j DROP"], "iptables filter FORWARD 1 DROP"),
    "raw": Fault("host", ["iptables -t raw -A PREROUTING -p tcp -j DROP"], "iptables raw PREROUTING 1 DROP"),
    "policy": Fault("host", ["iptables -P FORWARD DROP"], "iptables filter FORWARD 0 DROP"),
    "own-chain": Fault(
        "host",
        [
            "iptables -N MINE",
            "iptables -A MINE -p udp -j ACCEPT",
            "iptables -A MINE -j DROP",
            "iptables -I FORWARD -j MINE",
        ],
        "iptables filter MINE 2 DROP",
    ),
    "legacy": Fault(
        "host", ["iptables-legacy -w 30 -A FORWARD -p tcp -j DROP"], "iptables-legacy filter FORWARD 1 DROP"
    ),
    "bridge-family": Fault("host", ["ebtables -A FORWARD -p IPv4 -j DROP"], "nft bridge filter FORWARD 1 DROP"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_the_rule_that_stopped_the_probe_is_the_last_that_counted(lab: Bridged, fault: Fault) -> None:
    lab.run(fault.place, *fault.commands)
    said, found = met(lab, fault.place)
    assert said is not None
    stopping = [named(hit) for hit in found if hit.rule.verdict in ("DROP", "REJECT")]
    assert stopping == [fault.guilty]
    assert named(found[-1]) == fault.guilty or found[-1].rule.position == 0


def test_an_unused_rule_is_never_named(lab: Bridged) -> None:
    lab.run("server", "iptables -A INPUT -p tcp --dport 9 -j DROP", "iptables -A INPUT -p tcp --dport 8080 -j ACCEPT")
    said, found = met(lab, "server")
    assert said is None
    assert [named(hit) for hit in found if hit.rule.position] == ["iptables filter INPUT 2 ACCEPT"]


def test_a_rule_of_nftables_that_iptables_does_not_show_is_named_with_its_condition(lab: Bridged) -> None:
    guard = (*nft_writer.destination_port(PORT), nft_writer.counter(), nft_writer.verdict(nft_writer.DROP))
    lab.within("server", lambda: nft_writer.add_table(nft_writer.INET, "mine", nft_writer.INPUT, guard))
    said, found = met(lab, "server")
    assert said is not None
    (hit,) = found
    assert named(hit) == "nft inet mine guard 1 DROP"
    assert hit.rule.text.startswith("th dport 8080 counter drop # handle ")


def test_a_rule_of_nftables_without_a_counter_is_listed_and_counts_nothing(lab: Bridged) -> None:
    lab.within(
        "host",
        lambda: nft_writer.add_table(
            nft_writer.BRIDGE, "mine", nft_writer.FORWARD, (nft_writer.verdict(nft_writer.DROP),)
        ),
    )
    said, found = met(lab, "host")
    assert said is not None
    assert found == []
    (rule,) = [rule for rule in lab.within("host", read_filters).rules if rule.position]
    assert (rule.table, rule.verdict, rule.packets) == ("bridge mine", "DROP", None)
    (policy,) = [rule for rule in lab.within("host", read_filters).rules if not rule.position]
    assert policy.text == "policy accept; type filter hook forward priority 0"


def test_a_rule_for_ipv6_is_named_too(lab: Bridged) -> None:
    lab.run("server", f"ip6tables -A INPUT -p tcp --dport {PORT} -j REJECT")
    before = lab.within("server", read_filters)
    assert lab.within("server", lambda: question("::1", PORT)) is not None
    found = hits(before, lab.within("server", read_filters))
    assert "ip6tables filter INPUT 1 REJECT" in [named(hit) for hit in found]


def test_rules_that_come_and_go_meanwhile_do_not_confuse_the_others(lab: Bridged) -> None:
    lab.run("server", "iptables -A INPUT -p udp -j ACCEPT", "iptables -A INPUT -p tcp --dport 8080 -j DROP")
    before = lab.within("server", read_filters)
    lab.run("server", "iptables -D INPUT -p udp -j ACCEPT", "iptables -I INPUT -p tcp -j LOG")
    lab.run("server", "iptables -I INPUT -s 10.77.0.0/16 -j DROP")
    lab.ask()
    found = hits(before, lab.within("server", read_filters))
    assert [(hit.rule.text, hit.rule.position) for hit in found] == [("-A INPUT -p tcp -m tcp --dport 8080 -j DROP", 3)]


def test_reading_changes_nothing_in_a_namespace_without_any_rule(lab: Bridged) -> None:
    before = lab.within("client", state)
    for _ in range(3):
        assert lab.within("client", read_filters).rules == ()
    assert lab.within("client", state) == before


def test_reading_changes_nothing_in_a_namespace_with_rules_of_every_kind(lab: Bridged) -> None:
    lab.run(
        "host",
        "iptables -A FORWARD -p udp -j DROP",
        "ip6tables -A INPUT -p udp -j DROP",
        "iptables-legacy -w 30 -t mangle -A FORWARD -p udp -j DROP",
        "ip6tables-legacy -w 30 -A INPUT -p udp -j DROP",
        "ebtables -A FORWARD -p ARP -j ACCEPT",
    )
    before = lab.within("host", state)
    filters = lab.within("host", read_filters)
    assert {rule.tool for rule in filters.rules if rule.position} == {
        "iptables",
        "ip6tables",
        "iptables-legacy",
        "ip6tables-legacy",
        "nft",
    }
    assert lab.within("host", state) == before


def state() -> tuple[int, list[str]]:
    """The generation of the namespace's nftables, which any change raises, and the legacy tables' names."""
    with closing(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)) as nfnetlink:
        nfnetlink.send(struct.pack("=IHHII", 20, 10 << 8 | 16, 1, 0, 0) + bytes(4))  # NFT_MSG_GETGEN
        (generation,) = struct.unpack_from("!I", nfnetlink.recv(65536), 24)
    names = []
    for file_name in ("ip_tables_names", "ip6_tables_names"):
        with contextlib.suppress(FileNotFoundError):
            names.append(Path(f"/proc/thread-self/net/{file_name}").read_text())
    return generation, names


_UNPRIVILEGED = """
import os
from fleetctl.net.rules import read_filters
os.setuid(65534)
print(read_filters())
"""


def test_without_privilege_the_reason_stands_where_the_rules_would() -> None:
    done = subprocess.run([sys.executable, "-c", _UNPRIVILEGED], capture_output=True, text=True, check=True)
    assert "rules=()" in done.stdout
    assert "CAP_NET_ADMIN" in done.stdout


def test_without_iptables_its_tables_are_shown_as_the_kernel_lists_them(
    lab: Bridged, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.run("server", "iptables -A INPUT -p tcp -j DROP")
    monkeypatch.setattr("fleetctl.net.rules._SBIN", "/nonexistent")
    before = lab.within("server", read_filters)
    lab.ask()
    (hit,) = [hit for hit in hits(before, lab.within("server", read_filters)) if hit.rule.position]
    assert hit.rule.table == "ip filter"
    assert (hit.rule.text.partition(" #")[0], hit.rule.verdict) == ("meta l4proto tcp counter drop", "DROP")
    assert before.unknown == {"iptables": "iptables-save is not installed"}


FORETOLD = [
    ["-p tcp --dport 8080 -j DROP"],
    ["-p tcp --dport 8081 -j DROP"],
    ["-p udp -j DROP"],
    [f"-s {CLIENT} -j DROP"],
    [f"! -s {CLIENT} -j DROP"],
    ["-s 10.9.0.0/16 -j REJECT"],
    ["-i eth+ -j DROP"],
    ["! -i eth0 -j DROP"],
    ["-m addrtype --dst-type LOCAL -j DROP"],
    ["-m addrtype ! --dst-type LOCAL -j DROP"],
    ["-m conntrack --ctstate ESTABLISHED -j ACCEPT", "-m conntrack --ctstate INVALID -j DROP"],
    ["-m conntrack --ctstate NEW -j DROP"],
    ["-m conntrack ! --ctstate NEW -j ACCEPT", "-p tcp --syn -j DROP"],
    ["-p tcp -m multiport --dports 80,8000:8100 -j DROP"],
    ["-p tcp -m multiport ! --dports 80,8080 -j DROP"],
    ["-j RETURN", "-j DROP"],
    ["-p tcp --dport 8080 -j ACCEPT", "-j DROP"],
    ["-f -j DROP"],
]


def test_what_is_foretold_with_certainty_is_what_the_kernel_does(lab: Bridged) -> None:
    opening = Packet(CLIENT, SERVER, PORT, in_interface="eth0", source_is_local=False, destination_is_local=True)
    for rules in FORETOLD:
        lab.run("server", "iptables -F INPUT", *(f"iptables -A INPUT {rule}" for rule in rules))
        foretold = fate(lab.within("server", read_filters), opening, "input").passes
        assert foretold is not None, rules
        assert (lab.ask() is None) == foretold, rules
