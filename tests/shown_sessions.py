"""The terminal sessions that the documents show: read, run again as a user would, and compared line by line."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parents[1]
COLUMNS = 100
"""Width of the terminal, in which every document's sessions were recorded."""
HANGING = (2, 5)
"""By how many blanks more than its line what did not fit is indented: of a message, of a way that diagnose asked."""
PATIENCE = 180.0
"""Seconds that one shown command may take."""
CUT = "…"
"""A shown line of its own that stands for any number of lines left out."""

NOT_RUN = {
    # beginning of a shown command: why it is not run by the tests
    "make up": "installs an engine on a bare machine; tests/e2e/test_bootstrap.py tries its parts",
    "make test": "would run itself",
    "pipx install": "installs into the user's home",
    "uv tool install": "installs into the user's home",
    "unshare ": "opens a shell; the commands shown with its prompt are run in one opened the same way",
}

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""What an exchange with `--format mermaid` shows, once more, in the same order, to be drawn."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One command as it is shown, without the prompt, and the lines shown below it."""

    command: str
    shown: tuple[str, ...]
    place: str = ""
    """Before the prompt's dollar: nothing, or `playground`."""

    @property
    def is_run(self) -> bool:
        return not any(self.command.startswith(beginning) for beginning in NOT_RUN)

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in (f"{self.place}$ {self.command}", *self.shown))


def documents() -> list[Path]:
    """Every document at the top of the repository and under docs."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def exchanges(text: str) -> list[Exchange]:
    """What the console blocks of a document show, in order."""
    return [exchange for block in BLOCK.findall(text) for exchange in read_block(block)]


def pictures_of(session: Sequence[Exchange]) -> list[tuple[str, ...]]:
    return [exchange.shown for exchange in session if exchange.command.endswith("--format mermaid")]


def read_block(block: str) -> list[Exchange]:
    head, *parts = re.split(r"^(playground)?\$ ", block, flags=re.MULTILINE)
    if head.strip():
        raise ValueError(f"a console block begins with output instead of a command: {head!r}")
    found = []
    for place, part in zip(parts[::2], parts[1::2], strict=True):
        command, *shown = part.rstrip("\n").split("\n")
        found.append(Exchange(command, tuple(shown), place or ""))
    return found


def run_on_terminal(command: str, directory: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run a shell command on a pseudo terminal of 40 x COLUMNS; returns its exit code and all it wrote, raw."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    with subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=directory,
        env=environment,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    ) as process:
        os.close(slave)
        try:
            written = b"".join(read_all(master, time.monotonic() + PATIENCE))
        except TimeoutError:
            process.kill()
            raise
        finally:
            os.close(master)
    return process.returncode, written.decode(errors="replace")


def read_all(master: int, deadline: float) -> Iterator[bytes]:
    """What comes until the last writer has gone, which Linux reports as EIO."""
    while True:
        ready, _, _ = select.select([master], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError(f"the command was not through within {PATIENCE:g} s")
        try:
            chunk = os.read(master, 65536)
        except OSError:
            return
        if not chunk:
            return
        yield chunk


def screen(written: str) -> tuple[str, ...]:
    """The lines that stay on a terminal: carriage returns, cursor up and erasing are followed (ECMA-48), colours and
    the cursor's visibility ignored. Lines are never folded."""
    lines, row, column = [""], 0, 0
    for found in re.finditer(r"\x1b\[([\d;?]*)([A-Za-z])|\r|\n|[^\x1b\r\n]+", written):
        text, parameter, final = found[0], found[1], found[2]
        if text == "\r":
            column = 0
        elif text == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif final == "A":
            row = max(0, row - int(parameter or 1))
        elif final == "K":
            lines[row] = "" if parameter == "2" else lines[row][:column]
        elif final is None:
            lines[row] = lines[row][:column].ljust(column) + text + lines[row][column + len(text) :]
            column += len(text)
        elif final not in "hlm":
            raise ValueError(f"no idea what {text!r} does on a terminal")
    while lines and not lines[-1].strip():
        lines.pop()
    return tuple(line.rstrip() for line in lines)


VOLATILE = (
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{8}[0-9a-f-]*(?=…)", "UUID"),
    (r"([0-9a-f]{2}:){5}[0-9a-f]{2}", "MAC"),
    (r"\bfe80::[0-9a-f:]+", "IPV6"),
    (r"((?<=\d:)|(?<=port ))([2-5]\d|6[0-5])\d{3}\b", "PORT"),
    (r"\d+\.\d+\.\d+\.\d+(/\d+)?", "IP"),
    (r"\bveth[0-9a-f]{7}\b", "VETH"),
    (r"\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b", "ID"),
    (r"\b\d{4}-\d\d-\d\dT[\d:.]+(\+00:00|Z)", "TIME"),
    (r"Up .*?\(?(healthy|health: starting|starting)\)", "UP"),
    (r"(?<=\"status\": \")Up [^\"]*", "UP"),
    (r"(?<=\"health\": \")(healthy|starting)", "HEALTH"),
    (r"\b(unix|tcp|ssh)://[^\s\",]+", "ENDPOINT"),
    (r"\b\d+(\.\d+){2,}[^\s\",]*", "VERSION"),
    (r"\bAPI \d+\.\d+|(?<=\"api\": \")[\d.]+", "API"),
    (r"\blinux/\w+", "linux/ARCH"),
    (r"\d+(\.\d+)? (ms|MB)\b|(?<= in )[\d.]+ s\b", "MEASURED"),
    (r"(?<=ifindex )\d+|(?<=\()\d+(?=\)[ ,\"<])|(?<=@if)\d+|^\d+(?=: )", "IFINDEX"),
    (r"\b\d+/s\b", "RATE"),
    # How many requests failed is compared.
    (r"[\d,]+ requests?(?= meanwhile)", "COUNTED"),
    (r"(?<= failed), [\d,]+ asked again", ""),
    (r"^( +\d+)+$", "COUNTED"),
    (r"\d+ packets?( [\d.]+ [kMG]?B)?", "COUNTED"),
    (r"(?<=pid[ =])\d+|(?<=nsenter -t )\d+|(?<=docker-proxy )\d+", "N"),
    (r"(?<=net:\[)\d+(?=\])|(?<=link-netnsid )\d+", "N"),
    (r"(?i)\b(reachable|stale|delay|probe)(?=\)|$)", "NEIGHBOUR"),
    (r"\b\d\d:\d\d:\d\d UTC", "TIME"),
    # docker-proxy has read the request when nothing behind it answers, or not.
    (r"connection (reset|closed without an answer)", "NO ANSWER"),
    (r"(?<=\"pid\": )\d+", "N"),
    (r"(?<=\"ppid\": )\d+", "N"),
    (r"(?<=\"nsid\": )\d+|(?<=\"inode\": )\d+", "N"),
    (r"(?<=\"[rt]x_packets\": )\d+|(?<=\"[rt]x_bytes\": )\d+|(?<=\"[rt]x_dropped\": )\d+", "COUNTED"),
    (r"(?<=\"cpu_percent\": )[\d.]+", "N"),
    (r"(?<=\"rss_kib\": )\d+", "N"),
    (r"(?<=\"ifindex\": )\d+", "N"),
    (r"(?<=\"milliseconds\": )[\d.]+", "N"),
)
"""What differs from run to run, and what stands in for it when a shown line is compared with a real one."""
VOLATILE_COLUMNS = ("PID", "PPID", "%CPU", "RSS", "CREATED", "MS")
"""Columns of tables whose cells hold nothing else."""

Row = tuple[tuple[str, str], ...]
"""(title, cell) of one row of a table."""
CUT_ROW: Row = ()
Item = str | list[Row]
T = TypeVar("T")


def masked(line: str) -> str:
    for pattern, name in VOLATILE:
        line = re.sub(pattern, name, line)
    return re.sub(r" +", " ", line)


def unwrapped(lines: Sequence[str]) -> list[str]:
    """Lines, where what hangs below a branch of a tree, or a mark, stands behind it, and what was broken because it did
    not fit is whole: how many lines that takes depends on how wide the volatile parts are."""
    found: list[str] = []
    before, at = "", 0
    for line in lines:
        hangs = found and re.search("[├└✓✗]", found[-1]) and re.match("[ │]+[^ │├└✓✗]", line)
        word = (line.split() or [""])[0]
        full = len(before) + len(" ") + len(word) > COLUMNS
        if hangs or (word and full and indent(line) - at in HANGING):
            found[-1] += f" {line.strip(' │')}"
        else:
            found.append(line)
            at = indent(line)
        before = line
    return found


def indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def items(lines: Sequence[str]) -> list[Item]:
    """Lines with what is volatile masked. Tables become rows of (title, cell), because which columns fit into the
    terminal depends on how wide the volatile cells are; the remark on what did not fit is dropped for that reason."""
    found: list[Item] = []
    titles: list[str] | None = None
    for line in unwrapped(lines):
        if re.fullmatch(r"\(.* at \d+ columns.*\)", line):
            continue
        cells = re.split(r" {2,}", line)
        if line == CUT and found and isinstance(table := found[-1], list):
            table.append(CUT_ROW)
        elif len(cells) > 1 and re.fullmatch(r"[A-Z% ]+", line):
            titles = cells
            found.append([])
        elif titles is not None and len(cells) == len(titles) and isinstance(table := found[-1], list):
            table.append(tuple(zip(titles, map(masked_cell, titles, cells), strict=True)))
        else:
            titles = None
            found.append(masked(line))
    return found


def masked_cell(title: str, cell: str) -> str:
    if title in VOLATILE_COLUMNS:
        return "N"
    return "UP" if title == "STATUS" and cell.startswith("Up ") else masked(cell)


def agrees(shown: Sequence[Item], real: Sequence[Item]) -> bool:
    """Whether real output has the shape of the shown one, which may be cut."""
    return matches(shown, real, same)


def matches(shown: Sequence[T], real: Sequence[T], alike: Callable[[T, T], bool]) -> bool:
    """Whether two sequences are alike element by element; a cut stands for any number of them."""
    if not shown:
        return not real
    if shown[0] in (CUT, CUT_ROW):
        return any(matches(shown[1:], real[start:], alike) for start in range(len(real) + 1))
    return bool(real) and alike(shown[0], real[0]) and matches(shown[1:], real[1:], alike)


def same(shown: Item, real: Item) -> bool:
    if isinstance(shown, str) or isinstance(real, str):
        return shown == real
    return matches(shown, real, same_row)


def same_row(shown: Row, real: Row) -> bool:
    """Whether two rows have the same first cell and the same cells in the columns that both have."""
    one, two = dict(shown), dict(real)
    common = one.keys() & two.keys()
    return len(common) > 1 and shown[0] == real[0] and all(same_cell(one[title], two[title]) for title in common)


def same_cell(shown: str, real: str) -> bool:
    """Whether two cells are equal as far as a narrow terminal shows them."""
    pairs = ((shown, real), (real, shown))
    return shown == real or any(
        one.endswith("…") and other.rstrip("…").startswith(one.rstrip("…")) for one, other in pairs
    )


def cut_like(shown: Sequence[str], real: Sequence[str]) -> tuple[str, ...]:
    """Real output, cut where the shown one is: as many lines before the first and after the last cut are kept."""
    if CUT not in shown:
        return tuple(real)
    before = shown.index(CUT)
    after = len(shown) - 1 - max(index for index, line in enumerate(shown) if line == CUT)
    return (*real[:before], CUT, *(real[-after:] if after else ()))
