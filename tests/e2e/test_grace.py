"""What does not end at its stop signal is killed at the end of its grace, and that is told (reliability case 34)."""

from __future__ import annotations

import pytest

from tests.e2e.project import Project, idle, shell

TOLD = "killed, as it did not end within 1 s of its stop signal"
DEAF = ["sh", "-c", "trap '' TERM; sleep 999"]


@pytest.mark.parametrize("command", ["stop", "restart"])
def test_a_replica_that_was_killed_at_the_end_of_its_grace_is_told_of(fleet: Project, command: str) -> None:
    fleet.write({"web": idle(1, command=DEAF, stop_grace_period="1s")})
    fleet.up()
    done = fleet.run(command)
    assert done.code == 0, done
    assert TOLD in done.stderr


def test_a_restart_tells_of_this_end_and_of_no_earlier_one(fleet: Project) -> None:
    """Killed by hand, then started by the first restart, ended by the second within its grace."""
    fleet.write({"web": idle(1, command=shell("sleep 999 & wait"), stop_grace_period="1s")})
    fleet.up()
    fleet.container("web-1").kill()
    fleet.container("web-1").wait(timeout=30)
    for _ in range(2):
        done = fleet.run("restart")
        assert done.code == 0, done
        assert "restarted" in done.stderr
        assert "killed" not in done.stderr
