"""The processes of a container and what holds them back, from its cgroup (cgroups(7), versions 1 and 2)."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fleetctl.net.proc import numbered, read_small

_CONTROLLERS = ("pids", "memory", "freezer", "cpu")
"""Of version 1; the first there is tells the processes."""
_UNIFIED = ""
"""Stands for the one hierarchy of version 2, as /proc/PID/cgroup writes it."""

_CPU = {"nr_periods": "periods", "nr_throttled": "throttled"}
_MEMORY = {"oom_kill": "oom_kills"}
_PRESSURE_1 = (("cpu", "cpu.stat", _CPU), ("memory", "memory.oom_control", _MEMORY))
_PRESSURE_2 = (
    (_UNIFIED, "cpu.stat", _CPU),
    (_UNIFIED, "memory.events", _MEMORY),
    (_UNIFIED, "cgroup.events", {"frozen": "frozen"}),
)


@dataclass(frozen=True, slots=True)
class Cgroup:
    """One container's: its paths by controller as /proc/PID/cgroup has them, and the directories that are there."""

    paths: Mapping[str, str]
    directories: Mapping[str, str]

    @property
    def own(self) -> bool:
        """Whether it is anybody's at all: what runs on the host itself is in the root of every hierarchy."""
        return any(path != "/" for path in self.paths.values())


class Cgroups:
    """The hierarchies that are mounted here. Inside a helper container those of others may be out of sight."""

    def __init__(self) -> None:
        self._mounts: dict[str, str] = {}
        for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines():
            before, _, after = line.partition(" - ")
            kind, _, options = after.split(" ", 2)
            mount = before.split(" ")[4]
            if kind == "cgroup2":
                self._mounts.setdefault(_UNIFIED, mount)
            elif kind == "cgroup":
                for controller in set(options.split(",")).intersection(_CONTROLLERS):
                    self._mounts.setdefault(controller, mount)

    def of(self, process: int) -> Cgroup:
        """That of the process whose /proc/PID is open as `process`. Raises OSError when it is gone."""
        paths = _paths(read_small("cgroup", dir_fd=process))
        # A path that leads upwards is outside what this cgroup namespace shows (cgroup_namespaces(7)).
        directories = {
            controller: self._mounts[controller] + path
            for controller, path in paths.items()
            if controller in self._mounts and path != "/" and not path.startswith("/..")
        }
        return Cgroup(paths, directories)

    def pids(self, cgroup: Cgroup) -> tuple[int, ...]:
        """Of every process in the container, also in what its cgroup is divided into."""
        for controller in (*_CONTROLLERS, _UNIFIED):
            if controller in cgroup.directories:
                try:
                    return tuple(sorted(_pids_under(cgroup.directories[controller])))
                except OSError:
                    break
        return tuple(pid for pid, paths in self._everybody.items() if _within(paths, cgroup.paths))

    @cached_property
    def _everybody(self) -> Mapping[int, Mapping[str, str]]:
        """By pid the paths of every process there is: the long way, where no directory can be read."""
        found = {}
        for pid in numbered("/proc"):
            try:
                found[pid] = _paths(read_small(f"/proc/{pid}/cgroup"))
            except OSError:
                continue
        return found


def _paths(text: str) -> dict[str, str]:
    """By controller, from lines such as `4:memory:/docker/1f…` (cgroups(7))."""
    paths = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            if controller in (*_CONTROLLERS, _UNIFIED):
                paths[controller] = path
    return paths


def _within(paths: Mapping[str, str], container: Mapping[str, str]) -> bool:
    return any(
        paths.get(controller, "/") == path or paths.get(controller, "/").startswith(f"{path}/")
        for controller, path in container.items()
        if path != "/"
    )


def _pids_under(directory: str) -> Iterator[int]:
    yield from map(int, read_small(f"{directory}/cgroup.procs").split())
    with os.scandir(directory) as entries:
        divisions = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    for division in divisions:
        yield from _pids_under(division)


def pressure(cgroup: Cgroup) -> Mapping[str, int]:
    """What has held the container back: periods, throttled, oom_kills, frozen; those that can be read.

    Raises OSError when none can, as where its directories are out of sight.
    """
    found: dict[str, int] = {}
    first_version = any(controller in cgroup.directories for controller in _CONTROLLERS)
    for controller, name, keys in _PRESSURE_1 if first_version else _PRESSURE_2:
        for line in _read_of(cgroup, controller, name).splitlines():
            key, _, value = line.partition(" ")
            if key in keys:
                found[keys[key]] = int(value)
    state = _read_of(cgroup, "freezer", "freezer.state").strip()
    if state:
        found["frozen"] = int(state != "THAWED")
    if not found:
        raise OSError(errno.EOPNOTSUPP, "its cgroup cannot be seen from here")
    return found


def _read_of(cgroup: Cgroup, controller: str, name: str) -> str:
    """A file in its directory, empty where that controller is not there or not in charge."""
    directory = cgroup.directories.get(controller)
    try:
        return "" if directory is None else read_small(f"{directory}/{name}")
    except OSError:
        return ""
