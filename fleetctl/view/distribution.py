"""Who answered how often, for people and for programs, and how far the asking has come."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable
from types import TracebackType

from fleetctl.state.distribution import Distribution, Share, Verified
from fleetctl.view.documents import SCHEMA, Document, rounded
from fleetctl.view.tables import IDENTITY, Column, show_table
from fleetctl.view.terminal import fitted, has_colour, is_animated, write
from fleetctl.view.text import safe

COLUMNS = (
    Column("REPLICA"),
    Column("INSTANCE", spare=2, least=IDENTITY),
    Column("ANSWERS", right=True),
    Column("SHARE", right=True),
    Column("BAR", spare=1),
)
BAR = 12
"""Terminal cells of the longest bar: with names as long as fleet-web-1, a row has 80."""
EIGHTHS: tuple[str, ...] = ("", *"▏▎▍▌▋▊▉")
"""What fills so many eighths of a cell (Unicode block elements, U+2589 to U+258F)."""
ROWS = 100
"""Shares that are shown; who answers with another identity each time is no longer told row by row."""
BEGINNING_OF_LINE, CLEAR_LINE = "\r", "\x1b[K"
"""Carriage return, and erase to the end of the line (ECMA-48: EL)."""
DRAW_EVERY = 0.1
"""Seconds between two pictures of how far it is."""


def show_verified(found: Iterable[Verified]) -> None:
    """A table for each, with what was judged below it."""
    for index, verified in enumerate(found):
        if index:
            write("")
        write(safe(title(verified)))
        show_distribution(verified.distribution)


def title(verified: Verified) -> str:
    """Whom the table is about: "web through fleet-balancer-1, http://172.30.0.5:8080/, roundrobin"."""
    through = {"balancer": " through ", "dns": " as told by "}.get(verified.via, "")
    whose = f"{verified.service}{through}{verified.asked}" if verified.asked else verified.service
    return ", ".join(part for part in (whose, verified.where, verified.algorithm) if part)


def show_distribution(found: Distribution) -> None:
    most = max((share.answers for share in found.shares), default=0)
    if found.shares:
        show_table(COLUMNS, [row(share, found.answered, most) for share in found.shares[:ROWS]])
    if len(found.shares) > ROWS:
        write(f"and {len(found.shares) - ROWS} more")
    write(fitted(summary(found), sys.stdout))
    for note in found.notes:
        write(fitted(safe(f"note: {note}"), sys.stdout))
    if found.asked or found.faults:
        write(verdict(found, colour=has_colour(sys.stdout)))


def row(share: Share, answered: int, most: int) -> tuple[str, ...]:
    return (
        ", ".join(share.replicas) or "?",
        instance(share),
        str(share.answers),
        f"{100 * share.answers / answered:.1f} %" if answered else "-",
        bar(share.answers, most),
    )


def instance(share: Share) -> str:
    """The identity; where there are several, the first and how many more."""
    first, *more = share.identities or ("-",)
    return f"{first} and {len(more)} more" if more else first


def bar(count: int, most: int) -> str:
    """As long as its part of the longest, to an eighth of a cell; never nothing where there is something."""
    whole, eighths = divmod(max(1, round(8 * BAR * count / most)) if count else 0, 8)
    return "█" * whole + EIGHTHS[eighths]


def summary(found: Distribution) -> str:
    """How many answers, how quickly: "100 of 100 requests answered in 0.21 s: 476/s, p50 2.0 ms, p99 4.1 ms"."""
    head = f"{found.answered} of {found.asked} requests answered in {found.seconds:.2f} s"
    if found.median is None or found.p99 is None:
        return head
    clients = f", {found.concurrency} at a time" if found.concurrency > 1 else ""
    return f"{head}{clients}: {rate(found):.0f}/s, p50 {found.median:.1f} ms, p99 {found.p99:.1f} ms"


def rate(found: Distribution) -> float:
    return found.answered / found.seconds if found.seconds else 0.0


def verdict(found: Distribution, *, colour: bool) -> str:
    """PASS with what holds, or FAIL with what does not, a line each."""
    word, code = ("PASS", 32) if found.passed else ("FAIL", 31)
    sentences = [fault.message for fault in found.faults] or found.kept or ["nothing is known to be wrong"]
    label = f"\x1b[{code}m{word}\x1b[0m" if colour else word
    return f"{label}  " + "\n      ".join(map(safe, sentences))


def verified_document(fleet_name: str | None, found: Iterable[Verified]) -> Document:
    """`verify --format json`."""
    documents = [verified_entry(one) for one in found]
    return {
        "schema": SCHEMA,
        "fleet": fleet_name,
        "passed": all(one["passed"] for one in documents),
        "verified": documents,
    }


def verified_entry(one: Verified) -> Document:
    found = one.distribution
    return {
        "via": one.via,
        "service": one.service,
        "asked": one.asked,
        "where": one.where,
        "algorithm": one.algorithm,
        "passed": found.passed,
        "requests": found.asked,
        "wanted": found.wanted,
        "concurrency": found.concurrency,
        "answered": found.answered,
        "seconds": round(found.seconds, 6),
        "per_second": round(rate(found), 1),
        "milliseconds": {"p50": rounded(found.median), "p99": rounded(found.p99)},
        "failures": dict(found.failures),
        "shares": [
            {"replicas": list(share.replicas), "identities": list(share.identities), "answers": share.answers}
            for share in found.shares
        ],
        "faults": [
            {"kind": fault.kind, "replicas": list(fault.replicas), "message": fault.message} for fault in found.faults
        ],
        "kept": list(found.kept),
        "notes": list(found.notes),
    }


class Asked:
    """Shows on a terminal how many requests have ended; use it as a context manager around the asking."""

    def __init__(self) -> None:
        self.animated = is_animated()
        self.lock = threading.Lock()
        self.drawn = time.monotonic()

    def __enter__(self) -> Asked:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.draw("")

    def __call__(self, ended: int, total: int) -> None:
        """Take in how far it is, from any thread."""
        if not self.animated or time.monotonic() - self.drawn < DRAW_EVERY:
            return
        with self.lock:
            self.drawn = time.monotonic()
            self.draw(f"{ended}/{total} requests")

    def draw(self, text: str) -> None:
        if self.animated:
            sys.stderr.write(f"{BEGINNING_OF_LINE}{text}{CLEAR_LINE}")
            sys.stderr.flush()
