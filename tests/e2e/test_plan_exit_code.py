"""plan --exit-code tells apart that there is nothing to do, that there is something, and that it cannot be known."""

from __future__ import annotations

import pytest

from tests.e2e.project import Project, idle


def test_plan_exit_code_is_0_without_and_1_with_something_to_do(fleet: Project) -> None:
    fleet.write({"web": idle()})
    assert fleet.run("plan", "--exit-code").code == 1
    fleet.up()
    assert fleet.run("plan", "--exit-code").code == 0


@pytest.mark.parametrize(("option", "code"), [((), 1), (("--exit-code",), 2)])
def test_a_plan_that_cannot_be_made_is_never_taken_for_changes(
    fleet: Project, option: tuple[str, ...], code: int
) -> None:
    fleet.write({"web": idle(networks=["gone"])}, networks={"gone": {"external": True, "name": f"{fleet.name}-gone"}})
    done = fleet.run("plan", *option)
    assert done.code == code, done
    assert "error: " in done.stderr


def test_an_error_with_a_code_of_its_own_keeps_it(fleet: Project) -> None:
    fleet.write({"web": idle()})
    assert fleet.run("plan", "--exit-code", env={"DOCKER_HOST": "unix:///nope"}).code == 3
