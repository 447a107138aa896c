"""Processes and the sockets they hold (proc_pid_stat(5), proc_pid_fd(5), proc_pid_limits(5))."""

from __future__ import annotations

import os
import resource
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from fleetctl.net.proc import numbered, read_small
from fleetctl.state.network import Process

_SOCKET = "socket:["
_LIMIT = "Max open files"


@dataclass(frozen=True, slots=True)
class Holdings:
    """Processes, and those that hold a socket by its inode."""

    processes: tuple[Process, ...] = ()
    holders: Mapping[int, tuple[Process, ...]] = field(default_factory=dict)


def read_processes(main: int, pids: Iterable[int]) -> Holdings:
    """Those processes with every socket they hold, and dead children of `main` that were not waited for, the oldest
    first, also among holders; one that vanished meanwhile is left out."""
    found: list[tuple[Process, Collection[int]]] = [(child, ()) for child in _dead_children(main)]
    for pid in pids:
        try:
            inodes, files = open_sockets(pid)
            found.append((read_process(pid, files), inodes))
        except OSError:
            continue
    found.sort(key=_age)
    return Holdings(tuple(process for process, _ in found), _by_inode(found))


def _age(found: tuple[Process, Collection[int]]) -> tuple[int, int]:
    """Sorts the oldest first. Numbers do not tell: from pid_max they start over at the bottom (proc_sys_kernel(5))."""
    return found[0].started, found[0].pid


def _by_inode(found: Iterable[tuple[Process, Collection[int]]]) -> Mapping[int, tuple[Process, ...]]:
    holders: dict[int, tuple[Process, ...]] = {}
    for process, inodes in found:
        for inode in inodes:
            holders[inode] = (*holders.get(inode, ()), process)
    return holders


def _dead_children(pid: int) -> list[Process]:
    """Zombies have left their cgroup: only their parent still knows them (proc_pid_task_children(5))."""
    try:
        children = read_small(f"/proc/{pid}/task/{pid}/children").split()
        found = [read_process(int(child), None) for child in children]
    except OSError:
        return []
    return [one for one in found if one.state == "Z"]


def read_process(pid: int, files: int | None) -> Process:
    """Name, parent, state and limit; `files` are counted already. Raises OSError when it is gone."""
    # The name stands in parentheses and may hold any character, also a parenthesis.
    before, _, after = read_small(f"/proc/{pid}/stat").rpartition(")")
    # From the 3rd field on; the 11th, cminflt, are the page faults of children that were waited for (proc_pid_stat(5)).
    fields = after.split(maxsplit=20)
    state, parent, reaped, started = fields[0], int(fields[1]), fields[8] != "0", int(fields[19])
    return Process(pid, before.partition("(")[2], parent, state, files, _file_limit(pid), reaped, started)


def _file_limit(pid: int) -> int | None:
    """The soft limit of open files; prlimit(2) needs a capability for a process of another user, its file does not."""
    try:
        soft, _ = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    except PermissionError:
        lines = read_small(f"/proc/{pid}/limits").splitlines()
        (words,) = (line[len(_LIMIT) :].split() for line in lines if line.startswith(_LIMIT))
        return int(words[0]) if words[0].isdecimal() else None
    return None if soft == resource.RLIM_INFINITY else soft


def open_sockets(pid: int) -> tuple[frozenset[int], int | None]:
    """Inodes of the sockets the process holds, and how many files it has open.

    Nothing and None where only its user may know. Raises OSError when it is gone.
    """
    directory = f"/proc/{pid}/fd"
    inodes = set()
    try:
        names = os.listdir(directory)  # noqa: PTH208 - pathlib takes five times as long, of thousands
        for name in names:
            try:
                target = os.readlink(f"{directory}/{name}")  # noqa: PTH115 - likewise
            except FileNotFoundError:  # closed meanwhile
                continue
            if target.startswith(_SOCKET):
                inodes.add(int(target[len(_SOCKET) : -1]))
    except PermissionError:
        return frozenset(), None
    return frozenset(inodes), len(names)


def find_holders(wanted: Collection[int], but: Collection[int]) -> Mapping[int, tuple[Process, ...]]:
    """Who of all processes holds the sockets with these inodes, by inode, the oldest first; the pids `but` are known
    not to."""
    found: list[tuple[Process, Collection[int]]] = []
    for pid in numbered("/proc") if wanted else ():
        if pid in but:
            continue
        try:
            inodes, files = open_sockets(pid)
            held = inodes.intersection(wanted)
            if held:
                found.append((read_process(pid, files), held))
        except OSError:
            continue
    return _by_inode(sorted(found, key=_age))
