"""resolv.conf and hosts are understood as the C library understands them."""

from __future__ import annotations

import pytest

from fleetctl.net.names import names_to_ask
from fleetctl.net.resolv import parse_hosts, parse_resolv_conf
from fleetctl.state.network import Resolver

RESOLV_CONF = """# made by Docker
search old.example
nameserver 127.0.0.11
nameserver nonsense
nameserver fe80::1%eth0
domain
search lan.example corp.example
options ndots:2 timeout:1 edns0
options ndots:x
nameserver 10.0.0.1
nameserver 10.0.0.2
"""


def test_the_last_search_list_counts_and_three_name_servers() -> None:
    expected = Resolver(("127.0.0.11", "fe80::1%eth0", "10.0.0.1"), ("lan.example", "corp.example"), 2)
    assert parse_resolv_conf(RESOLV_CONF) == expected


def test_an_empty_file_gives_the_defaults_and_ndots_has_a_bound() -> None:
    assert parse_resolv_conf("") == Resolver((), (), 1)
    assert parse_resolv_conf("options ndots:99999999999").ndots == 15


def test_hosts_give_every_address_of_a_name_in_any_case() -> None:
    text = "127.0.0.1 localhost # me\n::1\tLocalhost ip6-localhost\nnonsense name\n10.0.0.5\n10.0.0.2 web #db\n"
    assert parse_hosts(text) == {
        "localhost": ("127.0.0.1", "::1"),
        "ip6-localhost": ("::1",),
        "web": ("10.0.0.2",),
    }


@pytest.mark.parametrize(
    ("name", "ndots", "asked"),
    [
        ("web", 1, ("web.a", "web.b", "web")),
        ("web", 0, ("web", "web.a", "web.b")),
        ("web.lan", 1, ("web.lan", "web.lan.a", "web.lan.b")),
        ("web.lan", 5, ("web.lan.a", "web.lan.b", "web.lan")),
        ("web.", 5, ("web",)),
    ],
)
def test_names_are_asked_in_the_order_that_ndots_says(name: str, ndots: int, asked: tuple[str, ...]) -> None:
    assert names_to_ask(name, Resolver(search=("a", "b."), ndots=ndots)) == asked
