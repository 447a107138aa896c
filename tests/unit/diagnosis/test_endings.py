"""What is told of a container that does not run any more: what its code and its life say, and no more than that."""

from __future__ import annotations

from typing import Any

import pytest

from fleetctl.diagnosis.judge import judge
from tests.fakes.made_up_scene import change, healthy, scene, target

LIMIT = 64 << 20


def told(*, state: str = "exited", policy: str = "no", **facts: Any) -> str:
    """Cause, evidence and cure of a container that ran for two hours."""
    inspection = {"restart_policy": policy, "finished": "2030-01-01T11:00:00Z", "memory": facts.pop("memory", None)}
    container = {"state": state, "pid": None, "ports": [], "restarts": 3, "inspection": inspection, **facts}
    data = change(
        healthy(), {"set": {"ways": [], **{f"containers/web-1/{key}": one for key, one in container.items()}}}
    )
    seen = scene(data)
    (found,) = judge(target(data, seen), seen).findings
    return "; ".join((found.cause, *(one.fact for one in found.evidence), found.cure))


@pytest.mark.parametrize("state", ["exited", "restarting"])
def test_of_a_kill_under_a_limit_the_kernel_may_be_the_cause_though_the_engine_does_not_say_so(state: str) -> None:
    found = told(state=state, exit_code=137, memory=LIMIT)
    assert "killed, maybe by the kernel for want of memory" in found
    assert "its limit is 64 MiB" in found


def test_without_a_limit_a_kill_is_not_put_down_to_memory() -> None:
    assert "memory" not in told(exit_code=137)


def test_whom_the_engine_would_have_started_again_the_kernel_has_not_killed() -> None:
    """The engine starts again what ends by itself, and leaves at rest what was stopped."""
    assert "memory" not in told(exit_code=137, memory=LIMIT, policy="unless-stopped")


def test_code_0_does_not_tell_whether_it_was_stopped() -> None:
    assert "was asked to end, or its command ended by itself" in told(exit_code=0, policy="on-failure")


@pytest.mark.parametrize("facts", [{"exit_code": 0, "policy": "always"}, {"exit_code": 143}])
def test_of_what_was_stopped_no_more_is_told(facts: dict[str, Any]) -> None:
    assert "by itself" not in told(**facts)
