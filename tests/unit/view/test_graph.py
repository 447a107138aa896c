"""The drawings for Mermaid and Graphviz name the whole way, and no name can leave its label."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace

import pytest

from fleetctl.state.network import Topology
from fleetctl.view import dot, mermaid
from tests.fakes.made_up_wiring import attachment, stopped, topology

HOSTILE = (
    '"]; end',
    '"; a -- b [label="',
    "\\",
    "\\N\\G",
    "<script>alert(1)</script>",
    "#quot;",
    "`x`",
    "%% x",
    "a\nb",
    "\x1b[2J",
    "&lt;",
    "}}",
    "click n0 href",
)
DRAWINGS = (mermaid.drawing, dot.drawing)


def named(name: str) -> Topology:
    """Everything that may have a name has this one."""
    whole = topology(1)
    evil = replace(attachment(1), replica=name, unknown={"port": name, "interface": name})
    lan = replace(whole.networks[0], name=name, driver=name, attachments=(evil,), unknown={"bridge": name})
    return Topology(name, (lan, replace(lan, bridge=None)), (evil,))


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_bridge_veth_interface_and_socket_of_every_replica_are_drawn(drawing: Callable[[Topology], str]) -> None:
    text = drawing(topology(3))
    assert "bridge br-aaa (5000) up" in text
    for number in (1, 2, 3):
        assert f"shop-web-{number}" in text
        assert f"veth{number:07x} ({2 * number + 1})" in text
        assert f"eth0 ({2 * number})" in text
    assert text.count("tcp 0.0.0.0:8080  all interfaces") == 3


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_a_replica_without_a_pair_hangs_by_a_dotted_line(drawing: Callable[[Topology], str]) -> None:
    lan = replace(topology(1).networks[0], attachments=(stopped(1),))
    text = drawing(Topology("shop", (lan,)))
    assert "n0b -.- n0r0" in text or "n0b -- n0r0 [style=dotted]" in text
    assert "exited" in text


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_in_mermaid_is_written_in_harmless_characters_and_entities(name: str) -> None:
    plain, evil = mermaid.drawing(named("x")).splitlines(), mermaid.drawing(named(name)).splitlines()
    assert len(plain) == len(evil)
    for line in evil:
        for label in re.findall(r'"([^"]*)"', line):
            assert re.fullmatch(r"(?:[A-Za-z0-9 .:/_(),+⇄→-]|[\u00a0-\U0010ffff]|#\d+;|<br/>)*", label), label
        assert line.count('"') % 2 == 0


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_in_dot_stays_within_its_quotes(name: str) -> None:
    strings = re.compile(r'"(?:[^"\\]|\\.)*"')
    plain, evil = (strings.sub('""', dot.drawing(named(one))) for one in ("x", name))
    assert plain == evil


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize("drawn", [topology(3), topology(60), *map(named, HOSTILE)])
def test_graphviz_takes_it_and_makes_no_node_of_a_name(drawn: Topology) -> None:
    made = subprocess.run(["dot", "-Tplain"], input=dot.drawing(drawn).encode(), capture_output=True, check=True)
    assert not made.stderr
    nodes = [line.split()[1] for line in made.stdout.decode().splitlines() if line.startswith("node ")]
    assert [node for node in nodes if not re.fullmatch(rb"(n\d+(b|r\d+v?)|none\d+)".decode(), node)] == []
