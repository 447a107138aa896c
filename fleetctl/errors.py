"""Every kind of error a user can meet, one exit code each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class FleetError(Exception):
    """Something failed; what was there before is kept. `message` says what and where, `hint` how to mend it."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file: `where` is file:line:column, `path` the key's path such as services.web.ports[0]."""

    where: str
    path: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        at = f"{self.path}: " if self.path else ""
        return f"{self.where}: {at}{self.message}"


class ConfigError(FleetError):
    """fleet.yaml, an option or the environment says something that cannot be meant or cannot be done."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class EngineUnreachable(FleetError):
    """The engine does not answer, or not in time."""

    exit_code = 3


class VerificationFailed(FleetError):
    """A replica does not answer, or answers what it must not."""

    exit_code = 4


class ResourceExhausted(FleetError):
    """Addresses, ports, networks or the kernel's limits are used up."""

    exit_code = 5


class LockHeld(FleetError):
    """Another run works on the same fleet."""

    exit_code = 6


class RolledBack(FleetError):
    """An update failed and the former release serves again."""

    exit_code = 7


class Interrupted(FleetError):
    """A signal ended the run; the exit code is 128 plus the signal's number (POSIX shell convention)."""

    def __init__(self, message: str, *, signal_number: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = 128 + signal_number


class SubnetTaken(ResourceExhausted):
    """Another network took the subnet between the look and the act; looking again may help."""
