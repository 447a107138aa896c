"""Makes text that a container, the engine or a file controls safe to show on a terminal."""

from __future__ import annotations

from unicodedata import category


def safe(text: str, *, newlines: bool = False) -> str:
    r"""`text` with every character that could steer a terminal or hide itself replaced by a visible escape.

    Replaced are C0 and C1 controls (so ESC, CSI, OSC and CR), bidi and other format characters, line and
    paragraph separators, lone surrogates (a byte such as 0x9b survives decoding as one) and whatever else this
    Python does not call printable: U+001B becomes `\x1b`, U+202E `\u202e`. With `newlines`, newline and tab stay.
    Rich's own markup is untouched: hand the result to rich as a `Text`, never as markup.
    """
    if text.isprintable():
        return text
    kept = "\n\t" if newlines else ""
    return "".join(ch if _harmless(ch) or ch in kept else _escape(ch) for ch in text)


def first_line(text: str, width: int) -> str:
    """The first line of `text` that has content, safe, and cut with an ellipsis to `width` terminal columns."""
    lines = text.lstrip().splitlines()
    line = safe(lines[0].rstrip()) if lines else ""
    from rich.cells import cell_len, set_cell_size

    if cell_len(line) <= width:
        return line
    return set_cell_size(line, width - 1).rstrip() + "…" if width > 0 else ""


def _harmless(ch: str) -> bool:
    return ch.isprintable() or category(ch) == "Zs"


_NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def _escape(ch: str) -> str:
    code = ord(ch)
    if code < 0x100:
        return _NAMED.get(ch) or f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
