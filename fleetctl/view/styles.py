"""The colours of states, one meaning each wherever the wiring is shown."""

from __future__ import annotations

FINE = "green"
FAULTY = "red"
UNSETTLED = "yellow"
CHANGED = "bold reverse yellow"

_STYLES = {
    **dict.fromkeys(("up", "running", "forwarding"), FINE),
    **dict.fromkeys(("down", "lowerlayerdown", "exited", "dead", "disabled", "blocking"), FAULTY),
}


def state_style(state: str | None) -> str:
    """That of an operational state, a bridge port's or a container's."""
    return _STYLES.get(state or "", UNSETTLED)
