"""Draws the wiring in Graphviz' language (https://graphviz.org/doc/info/lang.html)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fleetctl.state.network import Topology
from fleetctl.view.cards import Card, bridge_title, card, network_title

COLOURS = {"fine": "#2e7d32", "unsettled": "#b26a00", "faulty": "#c62828"}
HEAD = (
    "graph wiring {",
    '  graph [rankdir=LR, fontname="monospace", fontsize=12, nodesep=0.15, ranksep=0.6]',
    '  node [shape=box, style=rounded, fontname="monospace", fontsize=10]',
    '  edge [fontname="monospace", fontsize=9]',
)


def drawing(topology: Topology) -> str:
    """The whole graph: a cluster for each network, in it the bridge, its ports and the replicas."""
    return "\n".join([*HEAD, *body(topology), "}"])


def body(topology: Topology) -> Iterator[str]:
    for number, network in enumerate(topology.networks):
        own = f"n{number}"
        yield f"  subgraph cluster_{own} {{"
        yield f"    label={quoted([network_title(network)])}"
        yield f"    {own}b [shape=box3d, style=solid, label={quoted([bridge_title(network)])}]"
        for place, attachment in enumerate(network.attachments):
            yield from plugged(f"{own}b", f"{own}r{place}", card(attachment, network))
        yield "  }"
    if topology.unattached:
        yield "  subgraph cluster_none {"
        yield f"    label={quoted(['in none of these networks'])}"
        for place, attachment in enumerate(topology.unattached):
            yield replica_node(f"none{place}", card(attachment, None))
        yield "  }"


def plugged(bridge: str, replica: str, shown: Card) -> Iterator[str]:
    """The way from the bridge to one replica; dotted where a part of it is unknown."""
    yield replica_node(replica, shown)
    if not shown.veth:
        yield f"    {bridge} -- {replica} [style=dotted]"
        return
    yield f"    {replica}v [shape=ellipse, label={quoted([shown.veth])}]"
    yield f"    {bridge} -- {replica}v [label={quoted([shown.port])}{'' if shown.port else ', style=dotted'}]"
    yield f"    {replica}v -- {replica} [dir=both, weight=9]"


def replica_node(name: str, shown: Card) -> str:
    lines = [shown.name, *(line.text for line in shown.lines)]
    return f'    {name} [color="{COLOURS[shown.tone]}", penwidth=2, label={quoted(lines, left=True)}]'


def quoted(lines: Iterable[str], *, left: bool = False) -> str:
    r"""A quoted string; each line ends in \l where it is to begin at the left. Backslashes are doubled, lest a name
    makes an escape such as \N, and HTML entities lose their meaning."""
    shown = [line.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") for line in lines]
    return '"' + ("".join(f"{line}\\l" for line in shown) if left else "\\n".join(shown)) + '"'
