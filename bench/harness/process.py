"""Runs a program as a user would and takes down how long it took, what it used and what it said."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Run:
    """Wall and processor time in seconds, the greatest resident set in bytes (getrusage(2): of the program itself, not
    of the engine), and its standard output."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    output: str


class FailedError(Exception):
    """The program did not exit 0; the text is its command line and what it said."""


def measure(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Run:
    """Run the command from start to exit, without a terminal. Raises FailedError when it fails."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, env=clean(environment or os.environ), stdin=subprocess.DEVNULL, stdout=output, stderr=errors
        )
        # wait4(2) rather than Popen.wait: only it tells what this one child used.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode != 0:
            told = errors.read().decode(errors="replace")
            raise FailedError(f"{' '.join(command)} exited with {process.returncode}:\n{told[-2000:]}")
        return Run(
            seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, output.read().decode(errors="replace")
        )


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what keeps Python from using its bytecode, as in a user's installation."""
    return {key: value for key, value in environment.items() if key != "PYTHONDONTWRITEBYTECODE"}
