"""`ls` shows the fleets of the engine, from anywhere and with no file at all."""

from __future__ import annotations

from tests.conftest import Bystanders
from tests.e2e.project import Project, idle

CALM = {"resources": {"limits": {"memory": "64M", "cpus": "1"}}}


def test_a_fleet_is_listed_with_what_its_containers_do(fleet: Project, bystanders: Bystanders) -> None:
    """With every other fleet of the engine; a container of nobody's belongs to none."""
    fleet.write({"web": idle(deploy={"replicas": 3, **CALM}), "job": idle(command=["true"], restart="no", deploy=CALM)})
    fleet.up()
    (fleet.directory / "fleet.yaml").unlink()
    done = fleet.run("ls")
    assert (done.code, done.stderr) == (0, ""), done
    header, *lines = done.stdout.splitlines()
    assert header.split() == ["NAME", "STATUS", "SERVICES"]
    (own,) = [line for line in lines if line.split()[0] == fleet.name]
    assert own.split(maxsplit=1)[1].split("  ")[0] == "running(3), exited(1)"
    assert own.endswith("  job, web")
    assert str(bystanders.other.name).removesuffix("-web-1") in [line.split()[0] for line in lines]
    assert [entry for entry in fleet.run("ls", "--format", "json").json()["fleets"] if entry["name"] == fleet.name] == [
        {
            "name": fleet.name,
            "status": "running(3), exited(1)",
            "containers": 4,
            "running": 3,
            "services": ["job", "web"],
        }
    ]


def test_a_fleet_of_which_nothing_runs_is_listed_with_all_only(fleet: Project) -> None:
    fleet.write({"web": idle(deploy={"replicas": 2, **CALM})})
    fleet.up()
    only = ("--filter", f"name=^{fleet.name}$")
    assert fleet.run("ls", "-q", *only).stdout.split() == [fleet.name]
    fleet.run("stop", "-t", "0")
    done = fleet.run("ls", *only)
    assert (done.stdout.splitlines()[1:], done.stderr) == ([], "(1 not running; -a shows it)\n")
    assert fleet.run("ls", "-aq", *only).stdout.split() == [fleet.name]
    assert "exited(2)" in fleet.run("ls", "--all", *only).stdout
    fleet.down()
    assert fleet.run("ls", "-aq", *only).stdout == ""


def test_names_are_filtered_by_patterns_of_which_one_has_to_fit(fleet: Project) -> None:
    fleet.write({"web": idle(deploy=CALM)})
    fleet.up()
    half = fleet.name[2:]
    for filters in ([f"name={half}"], ["name=^nothing$", f"name={half}"]):
        words = [word for one in filters for word in ("--filter", one)]
        assert fleet.run("ls", "-q", *words).stdout.split() == [fleet.name]
    for wrong in ("status=running", "name", "name=", "name=("):
        done = fleet.run("ls", "--filter", wrong)
        assert (done.code, "--filter" in done.stderr) == (2, True), done


def test_without_an_engine_it_is_exit_3(fleet: Project) -> None:
    assert fleet.run("ls", env={"DOCKER_HOST": "unix:///nope"}).code == 3
