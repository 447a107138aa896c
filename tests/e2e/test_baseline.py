"""Every container we start passes the audit: CIS Docker Benchmark 4.1 and 5.x, as `docker inspect` shows it."""

from __future__ import annotations

from typing import Any

from tests.e2e.project import Project, idle, server


def host_config(fleet: Project, name: str) -> dict[str, Any]:
    found: dict[str, Any] = fleet.container(name).attrs["HostConfig"]
    return found


def test_a_replica_gets_the_restricted_baseline(fleet: Project) -> None:
    """Read-only root, no capability, no new privileges, bounded pids, files, logs and restarts, and no root user."""
    fleet.write({"web": server(1, ports=["8080"])})
    fleet.up()
    host = host_config(fleet, "web-1")
    assert fleet.container("web-1").attrs["Config"]["User"] == "10001:10001"
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert "no-new-privileges=true" in host["SecurityOpt"]
    assert host["PidsLimit"] == 64
    assert {one["Name"]: (one["Soft"], one["Hard"]) for one in host["Ulimits"]} == {
        "nofile": (4096, 4096),
        "core": (0, 0),
    }
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 5}
    assert "noexec" in host["Tmpfs"]["/tmp"]
    assert [one["HostIp"] for one in host["PortBindings"]["8080/tcp"]] == ["127.0.0.1"]
    assert (host["Privileged"], host["PidMode"], host["IpcMode"], host["UTSMode"]) == (False, "", "private", "")
    assert host["NetworkMode"] not in ("host", "bridge", "default")
    assert not any("docker.sock" in mount["Source"] for mount in fleet.container("web-1").attrs["Mounts"])


def test_the_compatible_baseline_is_what_compose_would_do_and_no_new_privileges(fleet: Project) -> None:
    """Opted out by one line, which up tells."""
    fleet.write({"job": idle(1, **{"x-fleet": {"baseline": "compatible"}})})
    done = fleet.up()
    host = host_config(fleet, "job-1")
    assert (host["ReadonlyRootfs"], host["CapDrop"]) == (False, [])
    assert "no-new-privileges=true" in host["SecurityOpt"]
    assert host["PidsLimit"] == 512
    assert "compatible" in done.stderr, done


def test_single_keys_of_the_file_win_over_the_baseline(fleet: Project) -> None:
    """A capability, a user and a writable root, each by its own Compose key."""
    fleet.write({"job": idle(1, cap_add=["NET_BIND_SERVICE"], user="1234:1234", read_only=False)})
    fleet.up()
    host = host_config(fleet, "job-1")
    assert (host["ReadonlyRootfs"], host["CapAdd"]) == (False, ["NET_BIND_SERVICE"])
    assert host["CapDrop"] == ["ALL"]
    assert fleet.container("job-1").attrs["Config"]["User"] == "1234:1234"
