"""The commands that act on what is there: start, stop, restart, build, pull and down."""

from __future__ import annotations

import pytest

from tests.conftest import MakeProxy
from tests.e2e.project import Project, idle, server
from tests.fakes.faultproxy import FaultProxy
from tests.fakes.tiny_image import TAG


def test_stop_keeps_the_replicas_and_start_brings_them_back_ready(fleet: Project) -> None:
    fleet.write({"web": server(2), "db": idle()})
    fleet.up()
    before = fleet.ids()
    assert fleet.run("stop", "web").code == 0
    assert fleet.states() == {"db-1": "running", "web-1": "exited", "web-2": "exited"}
    assert fleet.run("start").code == 0
    assert fleet.states() == {"db-1": "running", "web-1": "running", "web-2": "running"}
    assert fleet.ids() == before
    assert fleet.run("curl").code == 0
    assert "nothing to do" in fleet.run("start").stderr


def test_restart_gives_every_replica_a_new_life_one_after_the_other(fleet: Project) -> None:
    fleet.write({"web": server(2)})
    fleet.up()
    before = {name: fleet.container(name).attrs["State"]["StartedAt"] for name in fleet.ids()}
    ids = fleet.ids()
    done = fleet.run("restart")
    assert done.code == 0, done
    after = {name: fleet.container(name).attrs["State"]["StartedAt"] for name in fleet.ids()}
    assert fleet.ids() == ids
    assert all(after[name] > before[name] for name in ids)
    lines = [line for line in done.stderr.splitlines() if line.startswith(("restarted", "ready"))]
    assert [line.split()[0] for line in lines] == ["restarted", "ready"] * 2


def test_stop_kills_at_the_end_of_the_grace_what_ignores_sigterm(fleet: Project) -> None:
    fleet.write({"web": idle(1, command=["sh", "-c", "trap '' TERM; sleep 999"])})
    fleet.up()
    done = fleet.run("stop", "-t", "1")
    assert done.code == 0, done
    assert done.seconds < 10, "it waited for the engine's own grace"
    assert fleet.container("web-1").attrs["State"]["ExitCode"] == 137


def test_an_unknown_service_is_exit_2_for_whatever_acts(fleet: Project) -> None:
    fleet.write({"web": idle()})
    for command in ("up", "stop", "start", "restart", "build", "pull", "curl", "logs", "ps"):
        done = fleet.run(command, "nobody")
        assert done.code == 2, done
        assert "nobody" in done.stderr


def builds(proxy: FaultProxy) -> int:
    return sum(request.path == "/build" for request in proxy.requests)


def test_an_unchanged_context_is_not_handed_to_the_engine_again(fleet: Project, proxy: MakeProxy) -> None:
    (fleet.directory / "Dockerfile").write_text(f"FROM {TAG}\nCOPY page /www/index.html\n")
    page = fleet.directory / "page"
    page.write_text("one")
    image = f"{fleet.name}/web:local"
    fleet.write({"web": {**idle(1), "image": image, "build": {"context": "."}}})
    with proxy() as watched:
        fleet.up(env=watched.environment)
        assert builds(watched) == 1
        fleet.up(env=watched.environment)
        page.touch()
        assert fleet.run("build", env=watched.environment).code == 0
        fleet.assert_converged()
        assert builds(watched) == 1
        page.write_text("two")
        planned = fleet.run("plan", env=watched.environment)
        assert "its build context changed" in planned.stdout
        assert builds(watched) == 1
        before = fleet.ids()
        fleet.up(env=watched.environment)
        assert builds(watched) == 2
    assert fleet.ids()["web-1"] != before["web-1"], "a new image means a new replica"
    assert fleet.run("exec", "web", "cat", "/www/index.html").stdout == "two"


def test_a_build_that_fails_is_exit_1_with_its_last_lines_and_the_old_set_serves(fleet: Project) -> None:
    dockerfile = fleet.directory / "Dockerfile"
    dockerfile.write_text(f"FROM {TAG}\n")
    fleet.write({"web": {**server(1), "image": f"{fleet.name}/web:local", "build": {"context": "."}}})
    fleet.up()
    before = fleet.ids()
    dockerfile.write_text(f"FROM {TAG}\nRUN echo cannot compile; exit 3\n")
    done = fleet.up(code=1)
    assert "cannot compile" in done.stderr
    assert fleet.ids() == before
    assert fleet.run("curl").code == 0


def test_pull_says_that_no_registry_answers(fleet: Project) -> None:
    fleet.write({"web": idle(image="localhost:1/nobody/nothing:1.0")})
    done = fleet.run("pull")
    assert done.code == 1, done
    assert "localhost:1/nobody/nothing:1.0" in done.stderr


@pytest.mark.parametrize("times", [1, 2])
def test_down_may_be_asked_for_any_number_of_times(fleet: Project, times: int) -> None:
    fleet.write({"web": idle(1)})
    if times == 2:
        fleet.up()
        fleet.down()
    assert "nothing to do" in fleet.down().stderr


def test_down_takes_orphans_too_and_needs_no_more_than_grace(fleet: Project) -> None:
    fleet.write({"web": idle(1), "stubborn": idle(1, command=["sh", "-c", "trap '' TERM; sleep 999"])})
    fleet.up()
    fleet.write({"web": idle(1)})
    done = fleet.down("-t", "2")
    assert done.seconds < 10, "it waited for the engine's own grace"
