"""The laboratory leaves nothing behind, and diagnose changes nothing in it."""

from __future__ import annotations

import contextlib
import re
import subprocess
from pathlib import Path

from tests.e2e.project import wait_for
from tests.lab.diagnosed import diagnose
from tests.lab.fleet import CLIENT, WEB, Fleet
from tests.lab.laboratory import control_groups, laboratory, mounts_under
from tests.lab.rows import ROWS

SETTINGS = ("find", "/proc/sys/net", "-type", "f", "-perm", "-200", "-exec", "grep", "-Hs", "", "{}", "+")
"""What may be written there are settings, the rest are counters; some cannot be read."""


def test_a_laboratory_leaves_no_process_namespace_mount_cgroup_or_file() -> None:
    with contextlib.suppress(KeyboardInterrupt), laboratory() as lab:
        folder, pid = lab.folder, int((lab.folder / "engine.pid").read_text())
        assert mounts_under(folder), "there is nothing to remove, so this test shows nothing"
        raise KeyboardInterrupt  # also when a test in it is interrupted
    assert not folder.exists()
    assert not mounts_under(folder)
    assert not Path(f"/proc/{pid}").exists()
    assert not control_groups(lab.name)
    assert not list(Path("/run/netns").glob(f"{lab.name}*"))
    named = subprocess.run(["pgrep", "--full", lab.name], capture_output=True, text=True, check=False)
    assert not named.stdout, named.stdout


def test_diagnosing_a_fault_changes_nothing_in_host_or_containers(fleet: Fleet) -> None:
    with fault_present(fleet):
        # The kernel tries out each new address of IPv6 for a second or two before it is one.
        wait_for("no address is tentative any more", lambda: "tentative" not in fleet.lab.host("ip", "addr"))
        before = everything(fleet)
        diagnosed = diagnose(fleet, "lab-web-1")
        assert diagnosed.reachable is False, diagnosed.run
        after = everything(fleet)
        # Another test may just have killed a run of its own; what that leaves is removed there.
        wait_for("no instance of tracefs is left behind", lambda: not left_instances())
    for what, text in before.items():
        assert after[what] == text, what


def fault_present(fleet: Fleet) -> contextlib.AbstractContextManager[None]:
    return next(fault for fault in ROWS if fault.row == "60a").inject(fleet)


def left_instances() -> list[str]:
    """The instances of tracefs whose process has ended; other tests may be tracing meanwhile."""
    script = "mount -t tracefs none /mnt && ls /mnt/instances"  # in a mount namespace of its own
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split() if not Path("/proc", name.rpartition("-")[2]).exists()]


def everything(fleet: Fleet) -> dict[str, str]:
    """Rules, settings, links, addresses, routes and mounts of tracefs, without counters and clocks."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    seen = {"mounts of tracefs": "\n".join(mount for mount in mounts if "tracefs" in mount or "debugfs" in mount)}
    for name, where in (("host", fleet.lab.host), ("web", fleet.into(WEB)), ("client", fleet.into(CLIENT))):
        seen |= {
            f"{name}: rules": re.sub(r"\[\d+:\d+\]|^#.*", "", where("iptables-save"), flags=re.MULTILINE),
            f"{name}: rules of IPv6": re.sub(r"\[\d+:\d+\]|^#.*", "", where("ip6tables-save"), flags=re.MULTILINE),
            f"{name}: links": re.sub(r"\w+_timer +[\d.]+", "", where("ip", "-details", "link")),
            f"{name}: addresses": re.sub(r"valid_lft.*", "", where("ip", "addr")),
            f"{name}: routes": where("ip", "route", "show", "table", "all"),
            f"{name}: policy": where("ip", "rule"),
            f"{name}: settings": where(*SETTINGS, check=False),
        }
    return seen
