"""Where nobody can be asked: every answer is unknown, with the reason."""

from __future__ import annotations

from dataclasses import fields

from fleetctl.state.filters import Filters, Trace
from fleetctl.state.network import Namespace
from fleetctl.state.probes import NOT_ASKED, Outcome, Probe, Resolution
from fleetctl.vantage.base import Answer, Request, TracedOutcome

TOOLS = ("iptables", "ip6tables", "iptables-legacy", "nft")
KNOWABLE = tuple(field.name for field in fields(Namespace) if field.name not in ("local_ipv4", "unknown"))


class EngineOnly:
    """A Vantage that asks nobody: what the engine itself says remains."""

    name = "the engine only"

    def __init__(self, reasons: tuple[str, ...]) -> None:
        self.reasons = reasons

    def ask(self, request: Request) -> Answer:
        """Never raises."""
        reason = "; ".join(self.reasons)
        nothing = Namespace(unknown=dict.fromkeys(KNOWABLE, reason))
        unread = Filters(unknown=dict.fromkeys(TOOLS, reason))
        return Answer(
            host=nothing,
            namespaces=dict.fromkeys(request.pids, nothing),
            filters=dict.fromkeys(request.filters, unread),
            resolutions=tuple(Resolution(question, error=NOT_ASKED) for question in request.questions),
            outcomes=tuple(unsent(probe) for probe in request.probes),
            traced=tuple(TracedOutcome(unsent(probe), trace=Trace(unknown=reason)) for probe in request.traced),
        )


def unsent(probe: Probe) -> Outcome:
    return Outcome(probe, "open", NOT_ASKED)
