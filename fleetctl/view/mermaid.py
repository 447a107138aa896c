"""Draws the wiring as a flowchart in Mermaid's language (https://mermaid.js.org/syntax/flowchart.html)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from fleetctl.state.network import Topology
from fleetctl.view.cards import Card, bridge_title, card, network_title

UNHARMFUL = re.compile(r"[^A-Za-z0-9 .:/_(),+\u00a0-\U0010ffff-]")
"""What is not written as it is: quotes, brackets, markup, and # and ; of the escapes themselves."""
COLOURS = {
    "fine": "stroke:#2e7d32,stroke-width:2px",
    "unsettled": "stroke:#b26a00,stroke-width:2px,stroke-dasharray:6 3",
    "faulty": "stroke:#c62828,stroke-width:3px",
}


def drawing(topology: Topology) -> str:
    """The whole flowchart: a subgraph for each network, in it the bridge, its ports and the replicas."""
    return "\n".join(["flowchart LR", *body(topology), *(f"  classDef {name} {css}" for name, css in COLOURS.items())])


def body(topology: Topology) -> Iterator[str]:
    for number, network in enumerate(topology.networks):
        own = f"n{number}"
        yield f'  subgraph {own}["{escaped(network_title(network))}"]'
        yield f'    {own}b["{escaped(bridge_title(network))}"]'
        for place, attachment in enumerate(network.attachments):
            yield from plugged(f"{own}b", f"{own}r{place}", card(attachment, network))
        yield "  end"
    if topology.unattached:
        yield '  subgraph none["in none of these networks"]'
        for place, attachment in enumerate(topology.unattached):
            shown = card(attachment, None)
            yield f'    none{place}["{label(shown)}"]:::{shown.tone}'
        yield "  end"


def plugged(bridge: str, replica: str, shown: Card) -> Iterator[str]:
    """The way from the bridge to one replica; dotted where a part of it is unknown."""
    yield f'    {replica}["{label(shown)}"]:::{shown.tone}'
    if not shown.veth:
        yield f"    {bridge} -.- {replica}"
        return
    yield f'    {replica}v(["{escaped(shown.veth)}"])'
    port = f'|"{escaped(shown.port)}"|' if shown.port else ""
    yield f"    {bridge} {'---' if shown.port else '-.-'}{port} {replica}v"
    yield f"    {replica}v <--> {replica}"


def label(shown: Card) -> str:
    return broken([shown.name, *(line.text for line in shown.lines)])


def broken(lines: Sequence[str]) -> str:
    return "<br/>".join(map(escaped, lines))


def escaped(text: str) -> str:
    """Entity codes for everything that could mean something to Mermaid or to the HTML it makes."""
    return UNHARMFUL.sub(lambda found: f"#{ord(found[0])};", text)
