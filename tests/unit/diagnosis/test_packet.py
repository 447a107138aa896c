from __future__ import annotations

from dataclasses import replace

import pytest

from fleetctl.diagnosis.packet import Ending, Fate, Packet, fate
from fleetctl.net.rules import parse_saved
from fleetctl.state.filters import FilterRule, Filters

DOCKER = """
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
[0:0] -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
[0:0] -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
[0:0] -A POSTROUTING -s 172.18.0.0/16 ! -o br-1 -j MASQUERADE
[0:0] -A POSTROUTING -s 172.18.0.2/32 -d 172.18.0.2/32 -p tcp -m tcp --dport 8080 -j MASQUERADE
[0:0] -A DOCKER -i br-1 -j RETURN
[0:0] -A DOCKER ! -i br-1 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.18.0.2:8080
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-USER - [0:0]
[0:0] -A FORWARD -j DOCKER-USER
[0:0] -A FORWARD -j DOCKER-ISOLATION-STAGE-1
[0:0] -A FORWARD -o br-1 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
[0:0] -A FORWARD -o br-1 -j DOCKER
[0:0] -A FORWARD -i br-1 ! -o br-1 -j ACCEPT
[0:0] -A FORWARD -i br-1 -o br-1 -j ACCEPT
[0:0] -A DOCKER -d 172.18.0.2/32 ! -i br-1 -o br-1 -p tcp -m tcp --dport 8080 -j ACCEPT
[0:0] -A DOCKER-ISOLATION-STAGE-1 -j RETURN
[0:0] -A DOCKER-USER -j RETURN
COMMIT
"""
ARRIVING = Packet("192.0.2.1", "10.0.0.5", 80, in_interface="ens5", destination_is_local=True)
ONWARD = replace(ARRIVING, destination="172.18.0.2", port=8080, out_interface="br-1", destination_is_local=False)
LEAVING = Packet("172.18.0.2", "192.0.2.1", 443, out_interface="ens5", destination_is_local=False)


def filters(text: str) -> Filters:
    return Filters(tuple(parse_saved("iptables", text)))


def chain(*rules: str, hook: str = "INPUT", policy: str = "ACCEPT", more: str = "") -> Filters:
    lines = [f"[0:0] -A {hook} {rule}" for rule in rules]
    return filters("\n".join([f"*filter\n:{hook} {policy} [0:0]", more, *lines]))


INTO = Packet("10.9.0.2", "10.9.0.3", 8080, in_interface="eth0", destination_is_local=True)


def test_a_published_port_is_rewritten_to_the_container() -> None:
    assert fate(filters(DOCKER), ARRIVING, "prerouting").rewritten_to == "172.18.0.2:8080"


def test_from_the_network_itself_a_published_port_is_not_rewritten() -> None:
    seen = fate(filters(DOCKER), replace(ARRIVING, in_interface="br-1"), "prerouting")
    assert (seen.certain, seen.passes, seen.rewritten_to) == (True, True, None)


def test_what_was_rewritten_is_forwarded_by_the_rule_for_that_container() -> None:
    seen = fate(filters(DOCKER), ONWARD, "forward")
    (ending,) = seen.endings
    assert ending.verdict == "accept"
    assert ending.rule is not None
    assert (ending.rule.chain, ending.rule.position) == ("DOCKER", 1)


def test_another_port_of_the_container_is_dropped_by_the_policy() -> None:
    (ending,) = fate(filters(DOCKER), replace(ONWARD, port=9), "forward").endings
    assert ending.verdict == "drop"
    assert ending.rule is not None
    assert ending.rule.text == "policy DROP"


def test_a_reply_is_forwarded_and_not_translated_again() -> None:
    reply = replace(ONWARD, port=9, state="ESTABLISHED")
    assert fate(filters(DOCKER), reply, "forward").passes is True
    assert fate(filters(DOCKER), replace(LEAVING, state="ESTABLISHED"), "postrouting").masqueraded is False


def test_a_container_outward_is_masqueraded_and_not_without_the_rule() -> None:
    assert fate(filters(DOCKER), LEAVING, "postrouting").masqueraded is True
    without = DOCKER.replace("[0:0] -A POSTROUTING -s 172.18.0.0/16 ! -o br-1 -j MASQUERADE\n", "")
    assert fate(filters(without), LEAVING, "postrouting").masqueraded is False


def test_without_the_dnat_rule_nothing_is_rewritten_for_certain() -> None:
    without = "\n".join(line for line in DOCKER.splitlines() if "DNAT" not in line)
    seen = fate(filters(without), ARRIVING, "prerouting")
    assert (seen.certain, seen.rewritten_to) == (True, None)


def test_a_drop_that_the_user_put_in_decides_before_the_engines_rules() -> None:
    text = DOCKER.replace("-A DOCKER-USER -j RETURN", "-A DOCKER-USER -s 192.0.2.0/24 -j DROP")
    (ending,) = fate(filters(text), ONWARD, "forward").endings
    assert ending.verdict == "drop"
    assert ending.rule is not None
    assert ending.rule.chain == "DOCKER-USER"


def test_a_condition_that_nobody_can_judge_makes_both_endings_possible() -> None:
    seen = fate(chain("-m set --match-set banned src -j DROP"), INTO, "input")
    assert seen.passes is None
    assert [ending.verdict for ending in seen.endings] == ["drop", "accept"]


def test_endings_that_agree_are_certain_although_a_condition_is_not() -> None:
    seen = fate(chain("-m set --match-set friends src -j ACCEPT"), INTO, "input")
    assert (seen.certain, seen.passes) == (True, True)


@pytest.mark.parametrize(
    ("rule", "passes"),
    [
        ("-j DROP", False),
        ("-j REJECT --reject-with icmp-port-unreachable", False),
        ("-p udp -j DROP", True),
        ("-p tcp -m tcp --dport 8080 -j DROP", False),
        ("-p tcp -m tcp ! --dport 8080 -j DROP", True),
        ("-p tcp -m tcp --dport 8000:9000 -j DROP", False),
        ("-p tcp -m multiport --dports 22,80 -j DROP", True),
        ("-p tcp -m multiport --dports 22,8080 -j DROP", False),
        ("-p tcp -m tcp --sport 5 -j DROP", None),
        ("-s 10.9.0.0/24 -j DROP", False),
        ("! -s 10.9.0.0/24 -j DROP", True),
        ("-i eth+ -j DROP", False),
        ("-i eth1 -j DROP", True),
        ("! -i eth1 -j DROP", False),
        ("-o eth0 -j DROP", True),
        ("-m addrtype --dst-type LOCAL -j DROP", False),
        ("-m addrtype --dst-type BROADCAST -j DROP", None),
        ("-m addrtype --src-type LOCAL -j DROP", None),
        ("-m conntrack --ctstate RELATED,ESTABLISHED -j DROP", True),
        ("-m conntrack ! --ctstate RELATED,ESTABLISHED -j DROP", False),
        ("-m conntrack --ctstate DNAT -j DROP", None),
        ("-m conntrack --ctorigdstport 80 -j DROP", None),
        ("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP", False),
        ("-m physdev --physdev-is-bridged -j DROP", True),
        ("-m limit --limit 1/sec -j DROP", None),
        ("-m rpfilter --invert -j DROP", None),
        ('-m comment --comment "-j ACCEPT" -j DROP', False),
        ('-m comment --comment "-j" -j DROP', False),
        ("-f -j DROP", True),
        ("-d 10.0.0.3/255.0.0.255 -j DROP", None),
        ("-j LOG --log-prefix x", True),
        ("-j NFQUEUE --queue-num 0", None),
        ("", True),
    ],
)
def test_each_condition_is_judged_as_the_kernel_does_or_not_at_all(rule: str, passes: bool | None) -> None:
    assert fate(chain(rule), INTO, "input").passes is passes


def test_what_is_not_told_of_the_packet_is_no_reason_for_certainty() -> None:
    unknown = Packet(None, None, None)
    for rule in ("-s 10.0.0.0/8", "-d 10.0.0.0/8", "-p tcp -m tcp --dport 80", "-i eth0"):
        assert fate(chain(f"{rule} -j DROP"), unknown, "input").passes is None, rule


def test_a_chain_that_returns_goes_on_after_the_jump_and_one_gone_to_does_not() -> None:
    more = ":MINE - [0:0]\n[0:0] -A MINE -p udp -j ACCEPT"
    assert fate(chain("-j MINE", "-j DROP", more=more), INTO, "input").passes is False
    assert fate(chain("-g MINE", "-j DROP", more=more), INTO, "input").passes is True


def test_a_return_that_may_be_keeps_the_way_behind_it_open() -> None:
    more = ":MINE - [0:0]\n[0:0] -A MINE -m set --match-set x src -j RETURN\n[0:0] -A MINE -j DROP"
    assert fate(chain("-j MINE", more=more), INTO, "input").passes is None


def test_an_empty_chain_returns() -> None:
    assert fate(chain("-j MINE", policy="DROP", more=":MINE - [0:0]"), INTO, "input").passes is False


def test_chains_that_call_each_other_end_in_doubt() -> None:
    more = ":A - [0:0]\n:B - [0:0]\n[0:0] -A A -j B\n[0:0] -A B -j A"
    assert fate(chain("-j A", more=more), INTO, "input").passes is None


def test_a_drop_before_the_nat_table_wins() -> None:
    raw = "*raw\n:PREROUTING ACCEPT [0:0]\n[0:0] -A PREROUTING -d 10.0.0.5/32 -j DROP\n" + DOCKER
    assert fate(filters(raw), ARRIVING, "prerouting").passes is False


def test_the_filter_of_what_leaves_here_sees_the_new_destination() -> None:
    text = DOCKER.replace(
        ":OUTPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n:DOCKER-ISO",
        ":OUTPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n"
        "[0:0] -A OUTPUT -d 172.18.0.2/32 -p tcp -m tcp --dport 8080 -j DROP\n:DOCKER-ISO",
    )
    local = replace(ARRIVING, in_interface=None, out_interface="lo")
    assert fate(filters(text), local, "output").passes is False


def test_rules_of_the_other_version_of_ip_have_no_say() -> None:
    six = Filters(tuple(parse_saved("ip6tables", "*filter\n:INPUT DROP [0:0]")))
    assert fate(six, INTO, "input").passes is True
    assert fate(six, replace(INTO, source="fd00::2", destination="fd00::3"), "input").passes is False


def test_the_legacy_tables_have_a_say_beside_the_others() -> None:
    legacy = Filters(tuple(parse_saved("iptables-legacy", "*filter\n:INPUT DROP [0:0]")))
    both = Filters(chain().rules + legacy.rules)
    assert fate(both, INTO, "input").passes is False


def nft(*rules: tuple[str, str], policy: str = "accept", family: str = "inet") -> Filters:
    base = f"policy {policy}; type filter hook input priority 0"
    made = [FilterRule("nft", f"{family} mine", "in", 0, base, policy.upper())]
    made += [
        FilterRule("nft", f"{family} mine", "in", place, f"{text} # handle {place}", verdict)
        for place, (text, verdict) in enumerate(rules, 1)
    ]
    return Filters(tuple(made))


def test_a_rule_of_nftables_is_certain_only_where_it_has_no_condition() -> None:
    assert fate(nft(("drop", "DROP")), INTO, "input").passes is False
    assert fate(nft(("counter drop", "DROP")), INTO, "input").passes is False
    assert fate(nft(("th dport 8080 drop", "DROP")), INTO, "input").passes is None
    assert fate(nft(policy="drop"), INTO, "input").passes is False
    assert fate(nft(("th dport @ports vmap", "vmap")), INTO, "input").passes is None


def test_tables_of_a_family_that_does_not_see_the_packet_have_no_say() -> None:
    drop = ("drop", "DROP")
    assert fate(nft(drop, family="ip6"), INTO, "input").passes is True
    assert fate(nft(drop, family="bridge"), INTO, "input").passes is True
    assert fate(nft(drop, family="bridge"), replace(INTO, bridged=True), "input").passes is False
    assert fate(nft(drop), INTO, "output").passes is True


def test_rules_that_could_not_be_read_leave_doubt() -> None:
    unread = Filters(chain("-j ACCEPT").rules, unknown={"nft": "no"})
    assert fate(unread, INTO, "input").passes is None
    assert fate(unread, INTO, "input").masqueraded is None


def test_without_any_rule_everything_passes() -> None:
    assert fate(Filters(), INTO, "input") == Fate((Ending("accept"),))
