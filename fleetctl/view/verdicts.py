"""Shows verdicts: one line each where all is well, the way hop by hop where it is not; and as a document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.text import Text

from fleetctl.diagnosis.causes import HOPS
from fleetctl.diagnosis.scene import Finding, Judged, Verdict
from fleetctl.spec.wording import listed
from fleetctl.view.text import safe

GOOD, BAD, UNSURE, UNKNOWN = ("✓", "green"), ("✗", "red"), ("!", "yellow"), ("?", "yellow")
HOP = max(map(len, HOPS))
WAYS = 6
"""Ways of one kind of outcome that are listed one by one."""
NARROWEST = 20
"""Columns of text that a line has in any case."""


@dataclass(frozen=True, slots=True)
class Line:
    """A text behind its label; what does not fit goes on under the text's beginning."""

    label: Text
    text: Text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        indent = self.label.cell_len
        for number, part in enumerate(self.text.wrap(console, max(options.max_width - indent, NARROWEST))):
            part.rstrip()
            yield Text.assemble(Text(" " * indent) if number else self.label, part)


def verdicts_document(verdicts: Sequence[Verdict], vantage: str) -> dict[str, Any]:
    """Schema 1: the first target that does not answer (else the first) at the top, all of them in `verdicts`."""
    documents = [verdict_document(verdict) for verdict in verdicts]
    leading = next((one for one in documents if one["reachable"] is False), documents[0] if documents else {})
    top = {key: leading.get(key) for key in ("target", "reachable", "hop", "cause", "evidence", "cure", "commands")}
    return {
        "schema": 1,
        **top,
        "reachable": worst([verdict.reachable for verdict in verdicts]),
        "vantage": vantage,
        "verdicts": documents,
    }


def worst(reachable: Sequence[bool | None]) -> bool | None:
    """False where one does not answer, else None where one could not be asked."""
    return False if False in reachable else None if None in reachable else True


def verdict_document(verdict: Verdict) -> dict[str, Any]:
    """One target: the first finding at its top, all of them and every way in full."""
    first = verdict.first
    return {
        "target": shown_target(verdict),
        "container": verdict.target.container.name if verdict.target.container else None,
        "port": verdict.target.port,
        "reachable": verdict.reachable,
        **(
            finding_document(first)
            if first
            else {
                **dict.fromkeys(("hop", "cause", "level", "meaning", "where", "cure")),
                "evidence": [],
                "commands": [],
            }
        ),
        "findings": [finding_document(one) for one in verdict.findings],
        "ways": [way_document(one) for one in verdict.judged],
        "proofs": [{"hop": one.hop, "fact": one.fact} for one in verdict.proofs],
        "unknown": list(verdict.unknown),
    }


def finding_document(one: Finding) -> dict[str, Any]:
    return {
        "hop": one.hop,
        "cause": one.cause,
        "level": one.level,
        "meaning": one.meaning,
        "where": one.where,
        "evidence": [{"fact": fact.fact, "command": fact.command or None} for fact in one.evidence],
        "cure": one.cure,
        "commands": list(one.commands),
    }


def way_document(one: Judged) -> dict[str, Any]:
    way, outcome = one.way, one.way.last
    return {
        "vantage": way.vantage,
        "from": way.client.name if way.client else None,
        "address": way.address,
        "port": way.port,
        "good": one.good,
        "told": one.told,
        "status": outcome.status if outcome else None,
        "error": outcome.error if outcome else None,
        "stage": outcome.stage if outcome else None,
        "milliseconds": round(outcome.milliseconds, 1) if outcome else None,
    }


def verdicts_view(verdicts: Sequence[Verdict], *, walk: bool) -> RenderableType:
    """For a terminal. `walk` shows every hop of healthy targets too."""
    parts: list[RenderableType] = []
    for verdict in verdicts:
        parts.append(headline(verdict))
        if walk or not verdict.reachable or verdict.findings:
            parts += details(verdict)
    return Group(*parts)


def headline(verdict: Verdict) -> Line:
    good = [one for one in verdict.judged if one.good]
    mark, colour = {True: GOOD, False: BAD, None: UNKNOWN}[verdict.reachable]
    line = Text.assemble((safe(shown_target(verdict)), "bold"))
    first = verdict.first
    if verdict.reachable is False and first is not None:
        line.append(f"  {first.cause}", "bold red")
        line.append(f" at {safe(first.where)}: {first.meaning}")
    elif verdict.reachable is None:
        line.append("  could not be asked from here", "yellow")
    elif good:
        slowest = max(one.way.last.milliseconds for one in good if one.way.last is not None)
        line.append(f"  answers by {len(good)} {'way' if len(good) == 1 else 'ways'}, at most {slowest:.0f} ms")
    else:
        line.append("  in order; there is no TCP port to ask")
    return Line(Text(f"{mark} ", colour), line)


def shown_target(verdict: Verdict) -> str:
    target = verdict.target
    if target.address is not None:
        return target.name if target.container is None else f"{target.name} by {target.address}"
    return f"{target.name}:{target.port}" if target.container is not None and target.port else target.name


def details(verdict: Verdict) -> Iterator[Line]:
    """The ways, then the hops in their order, the broken ones with evidence and cure."""
    yield from ways(verdict)
    for hop in HOPS:
        for one in verdict.findings:
            if one.hop == hop:
                yield from explained(one)
        for proof in verdict.proofs:
            if proof.hop == hop:
                yield Line(beginning(GOOD, hop), Text(safe(proof.fact)))
    for reason in verdict.unknown:
        yield Line(beginning(UNKNOWN, "unknown"), Text(safe(reason)))


def beginning(mark: tuple[str, str], hop: str) -> Text:
    """A mark and the hop that it is about."""
    return Text.assemble("  ", mark, " ", (hop.ljust(HOP), "dim" if mark is GOOD else "bold"), " ")


def ways(verdict: Verdict) -> Iterator[Line]:
    """From where it answers and from where not; many alike in one line."""
    alike: dict[tuple[bool | None, str], list[str]] = {}
    for one in verdict.judged:
        told = "answers" if one.good else one.told
        alike.setdefault((one.good, told), []).append(one.way.source)
    for (good, told), every in alike.items():
        sources = list(dict.fromkeys(every))
        style = {True: "green", False: "red", None: "yellow"}[good]
        yield Line(Text("  from "), Text.assemble(safe(listed(sources, WAYS)), ": ", (safe(told), style)))


def explained(one: Finding) -> Iterator[Line]:
    """The cause, what was seen and where, and the cure."""
    mark, style = (BAD, "bold red") if one.level == "fault" else (UNSURE, "bold yellow")
    cause = Text.assemble((one.cause, style), f" at {safe(one.where)}: {one.meaning}")
    yield Line(beginning(mark, one.hop), cause)
    for fact in one.evidence:
        yield below("seen  ", Text(safe(fact.fact)))
        if fact.command:
            yield below("      $ ", Text(safe(fact.command), "dim"))
    yield below("cure  ", Text(safe(one.cure), "green"))
    yield from (below("      $ ", Text(safe(command), "cyan")) for command in one.commands)


def below(label: str, text: Text) -> Line:
    """Under the cause that it belongs to."""
    return Line(Text(" " * (HOP + 5) + label), text)
