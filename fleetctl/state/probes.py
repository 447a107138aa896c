"""What replicas answered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer over HTTP, or why there is none. `body` is what came within the limits, raw; `milliseconds` runs from
    before connecting to the end of the answer."""

    url: str
    status: int | None = None
    milliseconds: float | None = None
    body: bytes = b""
    error: str | None = None
    refused: bool = False
    """Whether nothing listens at all: what a server that is still starting looks like."""

    @property
    def answered(self) -> bool:
        """A complete answer that says success or a redirect, which is never followed."""
        return self.error is None and self.status is not None and 200 <= self.status < 400

    @property
    def first_line(self) -> str:
        """The body's first non-empty line, raw."""
        return next((line for line in self.body.decode(errors="replace").splitlines() if line.strip()), "")


@dataclass(frozen=True, slots=True)
class ReplicaReply:
    """A replica's answer with the identity read from it; `error` says what is wrong with it, None when nothing is."""

    replica: str
    service: str
    reply: Reply
    identity: str | None = None
    error: str | None = None
