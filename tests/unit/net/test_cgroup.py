"""What holds a container back is read from cgroups of both versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetctl.net.cgroup import Cgroup, Cgroups, pressure

CPU = "usage_usec 1000\nnr_periods 72\nnr_throttled 71\nthrottled_usec 5\n"


def test_version_2_has_it_all_in_one_directory(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text(CPU)
    (tmp_path / "memory.events").write_text("low 0\noom 3\noom_kill 2\noom_group_kill 0\n")
    (tmp_path / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    assert pressure(Cgroup({"": "/x"}, {"": str(tmp_path)})) == {
        "periods": 72,
        "throttled": 71,
        "oom_kills": 2,
        "frozen": 1,
    }


def test_version_1_has_a_directory_for_each_controller(tmp_path: Path) -> None:
    for controller, name, text in (
        ("cpu", "cpu.stat", CPU),
        ("memory", "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"),
        ("freezer", "freezer.state", "FREEZING\n"),
    ):
        (tmp_path / controller).mkdir()
        (tmp_path / controller / name).write_text(text)
    directories = {controller: str(tmp_path / controller) for controller in ("cpu", "memory", "freezer")}
    assert pressure(Cgroup(dict.fromkeys(directories, "/x"), directories)) == {
        "periods": 72,
        "throttled": 71,
        "oom_kills": 4,
        "frozen": 1,
    }


def test_a_controller_that_is_not_in_charge_leaves_out_its_part(tmp_path: Path) -> None:
    (tmp_path / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    assert pressure(Cgroup({"": "/x"}, {"": str(tmp_path)})) == {"frozen": 0}
    with pytest.raises(OSError, match="cannot be seen"):
        pressure(Cgroup({"": "/x"}, {"": str(tmp_path / "gone")}))


def test_processes_in_what_a_cgroup_is_divided_into_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "workers").mkdir()
    (tmp_path / "cgroup.procs").write_text("30\n7\n")
    (tmp_path / "workers" / "cgroup.procs").write_text("12\n")
    assert Cgroups().pids(Cgroup({"": "/x"}, {"": str(tmp_path)})) == (7, 12, 30)
    assert Cgroup({"": "/x"}, {}).own
    assert not Cgroup({"": "/", "pids": "/"}, {}).own
