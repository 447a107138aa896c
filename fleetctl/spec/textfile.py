"""Files of text, bounded in size and read without ever waiting."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from fleetctl.spec.problems import Problems
from fleetctl.spec.wording import shown

MAX_BYTES = 1 << 20
MAX_DOLLARS = 10_000
"""Variables are replaced one by one, so their number is bounded, too."""


def read_regular(path: Path, report: Callable[[str, str | None], None]) -> bytes | None:
    """The bytes of a regular file, one more than the limit at most; None, with the mistake reported, on failure."""
    try:
        # Without O_NONBLOCK a named pipe would wait for a writer without end.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                report(f"{shown(str(path), 200)} is not a file", None)
                return None
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        report(f"{shown(str(path), 200)} cannot be read: {error.strerror}", "create it, or correct the path")
        return None


def decode(data: bytes, label: str, problems: Problems) -> str:
    """The text in `data`, with Unix line ends; notes why it is none, and raises Stop."""
    if len(data) > MAX_BYTES:
        problems.stop(f"{label}:1:1", "", "the file is larger than 1 MiB", "split it, or generate less of it")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = _where(label, data[: error.start].decode("utf-8", "replace"))
        problems.stop(where, "", "not UTF-8 text", "save the file as UTF-8")
    if "\0" in text:
        where = _where(label, text[: text.index("\0")])
        problems.stop(where, "", "a NUL byte: this is not a text file", None)
    if text.count("$") > MAX_DOLLARS:
        problems.stop(
            f"{label}:1:1", "", f"more than {MAX_DOLLARS} dollar signs", "generate the file without variables"
        )
    return text.replace("\r\n", "\n")


def _where(label: str, before: str) -> str:
    return f"{label}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
