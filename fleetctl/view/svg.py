"""Draws the wiring as one SVG file: no script, no font and no picture from elsewhere, for light and dark pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from xml.sax.saxutils import escape

from rich.cells import cell_len, set_cell_size

from fleetctl.state.network import Attachment, Topology
from fleetctl.view.cards import Card, Tone, bridge_title, card, network_title
from fleetctl.view.text import safe

COLUMN, LINE = 7.3, 17
"""Pixels that a character of the font takes, and a line of text."""
MARGIN, GAP = 24, 22
CARD_COLUMNS = 40
"""Characters in a line of a card."""
CARD_WIDTH = round(CARD_COLUMNS * COLUMN) + 24
PLUG_HEIGHT, DROP, WIRE = 22, 26, 14
"""Of a replica from top to bottom: the line from the bridge's port, the veth, the wire between the pair."""
BAR, SPINE = 34, 14
HEADING = 34

STYLE = """
text { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #1b1f24; }
.page { fill: #ffffff; }
.name { font-weight: bold; font-size: 13px; }
.title { font-weight: bold; font-size: 15px; }
.small { font-size: 10.5px; fill: #57606a; }
.bar { fill: #dbe9f9; stroke: #3f6fa8; }
.way { stroke: #3f6fa8; stroke-width: 2; fill: none; }
.dotted { stroke: #57606a; stroke-width: 2; stroke-dasharray: 3 4; fill: none; }
.plug { fill: #eef4fb; stroke: #3f6fa8; }
.card { fill: #f6f8fa; stroke-width: 1.5; }
.fine { stroke: #2e7d32; }
.unsettled { stroke: #b26a00; stroke-dasharray: 6 3; }
.faulty { stroke: #c62828; stroke-width: 3; }
.says-fine { fill: #1f6b2a; } .says-unsettled { fill: #8a5200; } .says-faulty { fill: #b71c1c; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.page { fill: #0d1117; }
.small { fill: #9aa5b1; }
.bar { fill: #12305a; stroke: #6ea8ee; } .way { stroke: #6ea8ee; } .dotted { stroke: #9aa5b1; }
.plug { fill: #16263c; stroke: #6ea8ee; }
.card { fill: #161b22; }
.fine { stroke: #4cae55; } .unsettled { stroke: #e0a03a; } .faulty { stroke: #f4685f; }
.says-fine { fill: #6fce78; } .says-unsettled { fill: #efb75e; } .says-faulty { fill: #ff8a80; }
}
"""


def drawing(topology: Topology) -> str:
    """The whole file: the networks one below the other, each with its bridge as a bar and its replicas hanging from
    it."""
    parts: list[str] = []
    y, width = MARGIN, 0
    for network in topology.networks:
        shown = [card(attachment, network) for attachment in network.attachments]
        section = Section(network_title(network), bridge_title(network), shown, y)
        parts += section.draw()
        y, width = section.bottom + GAP, max(width, section.width)
    if topology.unattached:
        alone = Section("in none of these networks", "", [card(one, None) for one in topology.unattached], y)
        parts += alone.draw()
        y, width = alone.bottom + GAP, max(width, alone.width)
    size = (max(width, CARD_WIDTH) + 2 * MARGIN, y + MARGIN - GAP)
    return "\n".join([*head(topology, *size), *parts, "</svg>"])


def head(topology: Topology, width: int, height: int) -> Iterator[str]:
    whose = f"fleet {topology.fleet}" if topology.fleet else "the engine's networks"
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        ' role="img" aria-labelledby="title desc">'
    )
    yield f'<title id="title">How {xml(whose)} is wired</title>'
    yield f'<desc id="desc">{xml(described(topology))}</desc>'
    yield f"<style>{STYLE}</style>"
    yield f'<rect class="page" width="{width}" height="{height}"/>'


def described(topology: Topology) -> str:
    """The picture in words."""
    told = [
        f"{network.name}: {count(network.attachments)} on {bridge_title(network)}." for network in topology.networks
    ]
    if topology.unattached:
        told.append(f"{count(topology.unattached)} in none of these networks.")
    return " ".join(told) or "No network."


def count(attachments: Sequence[Attachment]) -> str:
    return "1 container" if len(attachments) == 1 else f"{len(attachments)} containers"


class Section:
    """One network: its heading, its bridge as a bar with a spine down the left side, and rows of cards, each row on a
    line from the spine. Without a `bridge` the cards hang from nothing. Lengths are pixels; it begins at `top`."""

    def __init__(self, title: str, bridge: str, shown: Sequence[Card], top: int) -> None:
        self.title, self.bridge, self.top = title, bridge, top
        wide = columns(len(shown))
        self.rows = [shown[start : start + wide] for start in range(0, len(shown), wide)]
        self.left = MARGIN + (SPINE + GAP if len(self.rows) > 1 and bridge else 0)
        cards = wide * (CARD_WIDTH + GAP) - GAP
        text = max(cell_len(title) * 9.2, cell_len(bridge) * COLUMN + 2 * MARGIN)
        self.width = round(max(self.left - MARGIN + cards, min(text, 1600)))
        self.bar_bottom = top + HEADING + (BAR if bridge else 0)
        self.hooks = [self.bar_bottom]
        """Heights of the lines that the rows hang from, and where the next would be."""
        for row in self.rows:
            self.hooks.append(self.hooks[-1] + DROP + PLUG_HEIGHT + WIRE + card_height(row) + GAP)
        self.bottom = self.hooks[-1]

    def draw(self) -> Iterator[str]:
        yield f'<text class="title" x="{MARGIN}" y="{self.top + 16}">{xml(self.title)}</text>'
        if self.bridge:
            yield from self.draw_bridge()
        for row, y in zip(self.rows, self.hooks, strict=False):
            for place, shown in enumerate(row):
                yield from self.draw_card(shown, self.left + place * (CARD_WIDTH + GAP), y, card_height(row))

    def draw_bridge(self) -> Iterator[str]:
        """A bar, with a spine where there are rows that do not touch it."""
        y, right = self.top + HEADING, MARGIN + self.width
        shape = f"M{MARGIN} {y}H{right}V{self.bar_bottom}"
        if len(self.rows) > 1:
            shape += f"H{MARGIN + SPINE}V{self.hooks[-2] + 8}"
        yield f'<path class="bar" stroke-linejoin="round" d="{shape}H{MARGIN}Z"/>'
        text = fitted(self.bridge, int((self.width - 24) / COLUMN))
        yield f'<text x="{MARGIN + 12}" y="{y + 22}">{xml(text)}</text>'
        for row, line in list(zip(self.rows, self.hooks, strict=False))[1:]:
            end = self.left + (len(row) - 1) * (CARD_WIDTH + GAP) + PLUG_AT
            yield f'<path class="way" d="M{MARGIN + SPINE} {line}H{end}"/>'

    def draw_card(self, shown: Card, x: int, y: int, height: int) -> Iterator[str]:
        """One replica below the line at `y`."""
        plug, top = y + DROP, y + DROP + PLUG_HEIGHT + WIRE
        middle = x + PLUG_AT
        yield f"<g><title>{xml('; '.join([shown.name, *(line.text for line in shown.lines)]))}</title>"
        if shown.veth:
            text = fitted(shown.veth, CARD_COLUMNS - 6)
            wide = round(cell_len(text) * COLUMN) + 16
            kind = "way" if shown.port else "dotted"
            yield f'<path class="{kind}" d="M{middle} {y}V{plug}"/>'
            yield f'<text class="small" x="{middle + 8}" y="{y + 17}">{xml(shown.port or "in no port")}</text>'
            yield f'<path class="way" d="M{middle} {plug + PLUG_HEIGHT}V{top}"/>'
            yield f'<rect class="plug" x="{x + 10}" y="{plug}" width="{wide}" height="{PLUG_HEIGHT}" rx="11"/>'
            yield f'<text x="{x + 18}" y="{plug + 15}">{xml(text)}</text>'
        elif self.bridge:
            yield f'<path class="dotted" d="M{middle} {y}V{top}"/>'
        rectangle = f'x="{x}" y="{top}" width="{CARD_WIDTH}" height="{height}" rx="8"'
        yield f'<rect class="card {shown.tone}" {rectangle}/>'
        name = fitted(shown.name, CARD_COLUMNS - 3)
        yield f'<text class="name says-{shown.tone}" x="{x + 12}" y="{top + 19}">{xml(name)}</text>'
        for number, (text, tone) in enumerate(folded(shown), start=1):
            style = f' class="says-{tone}"' if tone else ""
            yield f'<text{style} x="{x + 12}" y="{top + 19 + number * LINE}">{xml(text)}</text>'
        yield "</g>"


PLUG_AT = 32
"""Where a card's wire is, from its left side."""


def card_height(row: Sequence[Card]) -> int:
    """All cards of a row are as high as the highest."""
    return (max(len(folded(shown)) for shown in row) + 1) * LINE + 14


def folded(shown: Card) -> list[tuple[str, Tone | None]]:
    """The lines of a card with their tones; a long one is folded once, and then cut."""
    found: list[tuple[str, Tone | None]] = []
    for line in shown.lines:
        first, *rest = wrap(line.text, CARD_COLUMNS, subsequent_indent="  ") or [""]
        if cell_len(line.text) <= CARD_COLUMNS:
            first, rest = line.text, []
        found.append((fitted(first, CARD_COLUMNS), line.tone))
        if rest:
            tail = rest[0] if len(rest) == 1 else f"{rest[0][: CARD_COLUMNS - 2].rstrip()} …"
            found.append((fitted(tail, CARD_COLUMNS), line.tone))
    return found


def columns(count: int) -> int:
    """How many cards stand side by side: a few in one row, many so that the picture is no wider than a wide screen."""
    if count <= 4:
        return max(count, 1)
    return 4 if count <= 16 else 5


def fitted(text: str, width: int) -> str:
    """Cut with an ellipsis to that many characters' width."""
    return text if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip() + "…"


def xml(text: str) -> str:
    """Text between tags; blanks are kept, which XML viewers would fold."""
    return escape(safe(text)).replace("  ", "\u00a0\u00a0")
