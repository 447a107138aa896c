from __future__ import annotations

import struct

import pytest

from fleetctl.net.expressions import read_rule
from tests.e2e.nft_writer import attribute, counter, destination_port, expression, nested, number, text, verdict


def load(kind: str, key: int) -> bytes:
    return expression(kind, number(1, 1), number(2, key))


def payload(base: int, offset: int, length: int) -> bytes:
    return expression("payload", number(1, 1), number(2, base), number(3, offset), number(4, length))


def compare(value: bytes, comparison: int = 0) -> bytes:
    return expression("cmp", number(1, 1), number(2, comparison), nested(3, attribute(1, value)))


def mask(value: bytes) -> bytes:
    return expression("bitwise", number(1, 1), number(2, 1), number(3, len(value)), nested(4, attribute(1, value)))


def constant(register: int, value: bytes) -> bytes:
    return expression("immediate", number(1, register), nested(2, attribute(1, value)))


ADDRESS = bytes((10, 9, 0, 2))
STATES = struct.pack("=I", 2 | 4)  # the kernel keeps them in the machine's order

RULES = [
    ((verdict(0),), "drop", "DROP"),
    ((counter(), verdict(1)), "counter accept", "ACCEPT"),
    ((verdict(-5),), "return", "RETURN"),
    ((*destination_port(8080), verdict(0)), "th dport 8080 drop", "DROP"),
    ((load("meta", 6), compare(b"eth0\0"), verdict(0)), 'iifname "eth0" drop', "DROP"),
    ((load("meta", 7), compare(b"br-", 1), verdict(0)), 'oifname != "br-*" drop', "DROP"),
    ((load("meta", 16), compare(b"\x06"), verdict(0)), "meta l4proto tcp drop", "DROP"),
    ((payload(1, 12, 4), compare(ADDRESS), verdict(0)), "ip saddr 10.9.0.2 drop", "DROP"),
    ((payload(1, 16, 2), compare(ADDRESS[:2]), verdict(0)), "ip daddr 10.9.0.0/16 drop", "DROP"),
    (
        (payload(1, 12, 4), mask(b"\xff\xff\xfc\0"), compare(bytes((10, 9, 0, 0))), verdict(0)),
        "ip saddr & 255.255.252.0 10.9.0.0 drop",
        "DROP",
    ),
    ((load("ct", 0), mask(STATES), compare(bytes(4), 1), verdict(1)), "ct state established,related accept", "ACCEPT"),
    ((payload(2, 13, 1), compare(b"\x02"), verdict(0)), "@th,104,8 2 drop", "DROP"),
    (
        (payload(2, 2, 2), expression("lookup", text(1, "ports"), number(2, 1), number(3, 0))),
        "th dport @ports vmap",
        "vmap",
    ),
    (
        (payload(1, 12, 4), expression("lookup", text(1, "bad"), number(2, 1), number(5, 1)), verdict(0)),
        "ip saddr != @bad drop",
        "DROP",
    ),
    ((expression("reject", number(1, 0)),), "reject", "REJECT"),
    ((expression("masq"),), "masquerade", "MASQUERADE"),
    (
        (
            constant(1, ADDRESS),
            constant(2, struct.pack("!H", 80)),
            expression("nat", number(1, 1), number(2, 2), number(3, 1), number(5, 2)),
        ),
        "dnat to 10.9.0.2:80",
        "DNAT",
    ),
    (
        (expression("match", text(1, "recent")), expression("target", text(1, "MARK"))),
        'xt match "recent" xt target "MARK"',
        "MARK",
    ),
    ((expression("quota"), verdict(0)), "quota drop", "DROP"),
]


@pytest.mark.parametrize(("expressions", "said", "decides"), RULES, ids=[said for _, said, _ in RULES])
def test_a_rule_is_told_near_to_how_nft_writes_it(expressions: tuple[bytes, ...], said: str, decides: str) -> None:
    rule = read_rule(b"".join(expressions))
    assert (" ".join(rule.words), rule.verdict) == (said, decides)


def test_a_jump_names_the_chain_as_its_verdict() -> None:
    jump = expression("immediate", number(1, 0), nested(2, nested(2, number(1, -3), text(2, "mine"))))
    rule = read_rule(jump)
    assert (rule.words, rule.verdict) == (["jump mine"], "mine")


def test_a_rule_counts_only_where_it_has_a_counter() -> None:
    counted = expression("counter", attribute(1, struct.pack("!Q", 60)), attribute(2, struct.pack("!Q", 7)))
    assert read_rule(counted + verdict(0)).packets == 7
    assert read_rule(verdict(0)).packets is None
