"""Nothing that a container controls can steer the terminal (reliability.md, case 41)."""

from __future__ import annotations

import unicodedata

import pytest
from rich.cells import cell_len

from fleetctl.view.text import first_line, safe


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b2Jgone", r"\x9b2Jgone"),
        ("ok\rFAILED", r"ok\rFAILED"),
        ("one\ntwo\tthree", r"one\ntwo\tthree"),
        ("user\u202eexe.txt", r"user\u202eexe.txt"),
        ("a\u2066b\u2069", r"a\u2066b\u2069"),
        ("a\u200bb\u200e\u200f\u061c\ufeff", r"a\u200bb\u200e\u200f\u061c\ufeff"),
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
        ("tag\U000e0041", r"tag\U000e0041"),
        (b"\x9b31m".decode("utf-8", "surrogateescape"), r"\udc9b31m"),
        ("null\x00del\x7f", r"null\x00del\x7f"),
    ],
)
def test_a_character_that_steers_the_terminal_is_shown_as_an_escape(hostile: str, shown: str) -> None:
    assert safe(hostile) == shown


@pytest.mark.parametrize("text", ["", "web-1", "Grüße, 世界", "naïve 🚀", "日本\u3000語", "a\u00a0b", "[red]x[/]"])
def test_ordinary_text_of_any_language_stays_as_it_is(text: str) -> None:
    assert safe(text) == text


def test_newline_and_tab_stay_only_where_they_are_allowed() -> None:
    assert safe("a\n\tb\r\n\x1b", newlines=True) == "a\n\tb\\r\n\\x1b"


def test_no_code_point_at_all_gets_through_as_a_control_or_format_character() -> None:
    everything = safe("".join(map(chr, range(0x110000))))
    assert {unicodedata.category(ch) for ch in everything}.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})


def test_safe_text_can_always_be_encoded() -> None:
    assert safe("\ud800 \udcff").encode("utf-8")


@pytest.mark.parametrize(
    ("text", "width", "line"),
    [
        ("My id is 7\nrest", 40, "My id is 7"),
        ("\r\n\n  hello  \r\nworld", 40, "hello"),
        ("", 40, ""),
        (" \n\t\n", 40, ""),
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("日本語日本語", 6, "日本…"),
        ("abc", 0, ""),
        ("one\u2028two", 40, "one"),
        ("\x1b[2Jboo", 40, r"\x1b[2Jboo"),
    ],
)
def test_the_first_line_with_content_is_cut_to_the_columns_there_are(text: str, width: int, line: str) -> None:
    assert first_line(text, width) == line
    assert cell_len(first_line(text, width)) <= width
