"""The way back: by hand, and by itself where an update fails and the file says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.project import Done, Json, Project, server
from tests.e2e.test_rollout import changed

ROLLING = {"failure_action": "rollback", "monitor": "0s"}


def greetings(fleet: Project) -> dict[str, str]:
    """What each replica was made with."""
    found = {}
    for name, container_id in fleet.ids().items():
        entry = fleet.client.api.inspect_container(container_id)
        variables = dict(line.split("=", 1) for line in entry["Config"]["Env"])
        found[name] = variables.get("GREETING", "")
    return found


def roll_back(fleet: Project, code: int = 0) -> Done:
    done = fleet.run("rollback", "web", "-t", "1")
    assert done.code == code, done
    return done


def test_rollback_puts_the_former_release_back_and_a_second_one_undoes_that(fleet: Project) -> None:
    fleet.write({"web": server(2)})
    fleet.up()
    assert "web has no former release" in roll_back(fleet, code=1).stderr
    fleet.write({"web": changed(server(2), "new")})
    fleet.up()
    done = roll_back(fleet)
    assert greetings(fleet) == {"web-1": "", "web-2": ""}
    assert "web-2" in done.stdout
    roll_back(fleet)
    assert greetings(fleet) == {"web-1": "new", "web-2": "new"}
    fleet.assert_converged()


def test_an_update_that_fails_half_way_is_undone_and_exits_7(fleet: Project) -> None:
    """The first replica of the release comes up, the second does not."""
    volumes: Json = {"volumes": ["data:/data"], "user": "0:0", "restart": "no"}
    fleet.write({"web": server(2, **volumes)}, volumes={"data": None})
    fleet.up()
    bad = server(2, before="mkdir /data/first 2>/dev/null || exit 9", **volumes)
    fleet.write({"web": changed(bad, "bad", **ROLLING)}, volumes={"data": None})
    done = fleet.up("-t", "1", code=7)
    assert "exited with code 9" in done.stderr
    assert "the update of web failed and was rolled back: the former release serves" in done.stderr
    assert greetings(fleet) == {"web-1": "", "web-2": ""}
    assert fleet.states() == {"web-1": "running", "web-2": "running"}
    fleet.down("-v")


def test_where_old_and_new_cannot_be_side_by_side_the_former_release_is_started_again(fleet: Project) -> None:
    fleet.write({"web": server(1)})
    fleet.up()
    bad: Json = server(1, before="exit 9", restart="no")
    fleet.write({"web": changed(bad, "bad", order="stop-first", **ROLLING)})
    fleet.up("-t", "1", code=7)
    assert greetings(fleet) == {"web-1": ""}
    assert fleet.states() == {"web-1": "running"}


@pytest.mark.parametrize("fault", ["exit 9", "sleep infinity", None], ids=["ends", "mute", "no-such-command"])
def test_stop_first_keeps_the_old_container_until_the_new_one_serves(fleet: Project, fault: str | None) -> None:
    """Whatever `failure_action` says: without it nobody would be left."""
    fleet.write({"web": server(1)})
    fleet.up()
    before = fleet.ids()
    bad: Json = server(1, before=fault or "", restart="no")
    if fault is None:
        bad |= {"entrypoint": ["/no/such/command"]}
    fleet.write({"web": changed(bad, "bad", order="stop-first")})
    fleet.up("-t", "1", "--wait-timeout", "3", code=1)
    assert fleet.ids() == before
    assert fleet.states() == {"web-1": "running"}
    fleet.write({"web": changed(server(1), "good", order="stop-first")})
    fleet.up("-t", "1")
    assert greetings(fleet) == {"web-1": "good"}


def test_a_config_file_that_is_another_by_now_is_not_passed_off_for_the_former_one(fleet: Project) -> None:
    page = Path(fleet.directory, "page.txt")
    page.write_text("one")
    service = server(1, configs=["page"])
    fleet.write({"web": service}, configs={"page": {"file": "page.txt"}})
    fleet.up()
    page.write_text("two")
    fleet.up("-t", "1")
    assert "config page" in roll_back(fleet, code=1).stderr
    page.write_text("one")
    roll_back(fleet)
