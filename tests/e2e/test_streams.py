"""Whatever standard streams fleetctl is given, even none, it ends with a plain word and the right exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.project import PATIENCE, Project, idle

SERVICE = idle(deploy={"replicas": 1, "resources": {"limits": {"memory": "64M", "cpus": "1"}}})
"""Nothing to be warned of."""
COMMANDS = ["version --client", "ps", "ps --format json", "config"]


def in_shell(directory: Path, words: str, redirection: str) -> subprocess.CompletedProcess[str]:
    """Run fleetctl with its streams redirected by the shell."""
    command = ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-m", "fleetctl", *words.split()]
    return subprocess.run(
        command, cwd=directory, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=PATIENCE
    )


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("redirection", [">&-", "<&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_as_good_as_dev_null(fleet: Project, words: str, redirection: str) -> None:
    fleet.write({"web": SERVICE})
    done = in_shell(fleet.directory, words, redirection)
    assert done.returncode == 0, done
    assert [line for line in done.stderr.splitlines() if not line.startswith("warning: ")] == []


@pytest.mark.parametrize("words", COMMANDS)
def test_a_result_that_cannot_be_written_is_exit_1_with_the_reason(fleet: Project, words: str) -> None:
    fleet.write({"web": SERVICE})
    done = in_shell(fleet.directory, words, ">/dev/full")
    assert (done.returncode, done.stderr) == (1, "error: cannot write the result: No space left on device\n")


def test_a_result_too_large_for_the_buffer_that_cannot_be_written_is_told_once(fleet: Project) -> None:
    fleet.write({f"web{number}": SERVICE for number in range(60)})
    done = in_shell(fleet.directory, "config", ">/dev/full")
    assert (done.returncode, done.stderr) == (1, "error: cannot write the result: No space left on device\n")


def test_when_no_stream_can_be_written_the_exit_code_still_tells(fleet: Project) -> None:
    fleet.write({"web": SERVICE})
    done = in_shell(fleet.directory, "config", ">/dev/full 2>&1")
    assert done.returncode == 1
