"""The SVG is one well-formed file that needs nothing else, tells all of it in words, and no name breaks it."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from fleetctl.state.network import Topology
from fleetctl.view.svg import CARD_COLUMNS, CARD_WIDTH, COLUMN, drawing
from tests.fakes.made_up_wiring import attachment, topology

SVG = "{http://www.w3.org/2000/svg}"
EVIL = "]]></title><script>alert(1)</script>\x00\x1b\u202e\ufffe&\"'<"


def drawn(whole: Topology) -> ElementTree.Element:
    return ElementTree.fromstring(drawing(whole))  # noqa: S314  # our own text; that it parses is what is tested


def texts(root: ElementTree.Element) -> list[str]:
    return ["".join(one.itertext()).replace("\u00a0", " ") for one in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("replicas", [0, 1, 3, 16, 60])
def test_every_card_lies_within_the_picture_and_on_no_other(replicas: int) -> None:
    root = drawn(topology(replicas))
    width, height = (float(root.get(side, "")) for side in ("width", "height"))
    cards = [one for one in root.iter(f"{SVG}rect") if (one.get("class") or "").startswith("card ")]
    places = [tuple(float(one.get(key, "")) for key in ("x", "y", "width", "height")) for one in cards]
    assert len(places) == replicas
    for x, y, wide, high in places:
        assert x >= 0
        assert x + wide <= width
        assert y + high <= height
    for index, (x, y, wide, _) in enumerate(places):
        for other_x, other_y, _, other_high in places[:index]:
            assert other_x + wide <= x or other_y + other_high <= y


@pytest.mark.parametrize("replicas", [3, 60])
def test_the_picture_fits_a_wide_screen_and_no_text_leaves_its_card(replicas: int) -> None:
    root = drawn(topology(replicas))
    assert float(root.get("width", "")) <= 1920
    for group in root.iter(f"{SVG}g"):
        assert [text for text in texts(group) if len(text) > CARD_COLUMNS] == []
    assert CARD_COLUMNS * COLUMN < CARD_WIDTH


def test_bridge_veth_interface_socket_and_answer_are_drawn() -> None:
    shown = texts(drawn(topology(3)))
    assert "bridge br-aaa (5000) up  172.30.0.1/22  MTU 1500" in shown
    for text in ("shop-web-2", "veth0000002 (5)", "eth0 (4)  172.30.0.4/22", "127.0.0.1:18002 → 8080/tcp"):
        assert text in shown
    assert shown.count("tcp 0.0.0.0:8080  all interfaces") == 3
    assert shown.count("HTTP 200 in 2.5 ms") == 3


def test_trouble_is_told_in_words_and_not_by_colour_alone() -> None:
    shown = texts(drawn(topology(11)))
    for text in ("tcp 127.0.0.1:8080  loopback only", "no HTTP answer: connection refused", "exited", "disabled"):
        assert text in shown
    assert "veth0000009 (19) down" in shown


def test_it_has_a_title_and_a_description_for_those_who_do_not_see_it() -> None:
    root = drawn(topology(3))
    assert root.get("role") == "img"
    named = {one.get("id"): one.text for one in root if one.get("id")}
    assert set((root.get("aria-labelledby") or "").split()) == named.keys()
    assert "shop" in (named["title"] or "")
    assert "3 containers" in (named["desc"] or "")


def test_it_needs_nothing_from_elsewhere_and_runs_nothing() -> None:
    text = drawing(topology(60))
    assert set(re.findall(r"https?://[^\"' <]+", text)) == {"http://www.w3.org/2000/svg"}
    for word in ("<script", "<image", "<use", "href", "@import", "@font-face", "url(", "<foreignObject", " on"):
        assert word not in text.partition("<style>")[0] + text.partition("</style>")[2] or word == " on"
    assert not re.search(r"\son\w+=", text)


def test_it_is_made_for_light_and_dark_pages() -> None:
    style = drawing(topology(1)).partition("<style>")[2].partition("</style>")[0]
    light, _, dark = style.partition("@media (prefers-color-scheme: dark)")
    for name in (".page", "text", ".bar", ".card", ".plug", ".says-faulty"):
        assert name in light
        assert name in dark


def test_no_name_breaks_out_of_its_text() -> None:
    whole = topology(1)
    evil = replace(attachment(1), replica=EVIL, unknown={"port": EVIL, "interface": EVIL})
    lan = replace(whole.networks[0], name=EVIL, driver=EVIL, attachments=(evil,), unknown={"bridge": EVIL})
    root = drawn(Topology(EVIL, (lan, replace(lan, bridge=None)), (evil,)))
    kinds = {one.tag.removeprefix(SVG) for one in root.iter()}
    assert kinds == {"svg", "title", "desc", "style", "rect", "path", "text", "g"}
