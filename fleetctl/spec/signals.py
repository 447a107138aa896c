"""The signals that an engine can send a container, by name or number."""

from __future__ import annotations

from fleetctl.spec.site import suggest

_COMMON = (
    "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP "
    "TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ"
)
_REALTIME = ("RTMIN", *(f"RTMIN+{step}" for step in range(1, 16)), *(f"RTMAX-{step}" for step in range(1, 15)), "RTMAX")
_NAMES = frozenset((*_COMMON.split(), *_REALTIME))
"""As moby names them on Linux (sys/signal, signal_linux.go), without SIG."""
_HIGHEST = 64
"""signal(7): SIGRTMAX. Engine 20.10 takes higher numbers, too, and the kernel none of them."""


def why_no_signal(text: str) -> tuple[str, str] | None:
    """What is wrong with a signal, and how to mend it; None for one that engine and kernel know."""
    if text.isascii() and text.isdigit():
        right = len(text) <= 2 and 1 <= int(text) <= _HIGHEST
        return None if right else (f"no signal has the number {text[:20]}", f"they go from 1 to {_HIGHEST}")
    name = text.upper().removeprefix("SIG")
    if name in _NAMES:
        return None
    return f"not a signal: {text[:60]!r}", suggest(name, _NAMES) or "write it as in SIGTERM, see signal(7)"
