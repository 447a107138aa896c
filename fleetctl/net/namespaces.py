"""Reads the host's network namespace and those of processes, without a program inside them."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TypeVar

from fleetctl.net.cgroup import Cgroups
from fleetctl.net.links import addresses, interface, list_links, namespace_id
from fleetctl.net.netlink import Netlink
from fleetctl.net.proc import local_ipv4
from fleetctl.net.processes import find_holders
from fleetctl.net.survey import WITHIN, Survey
from fleetctl.state.network import Listener, Namespace, Process

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000  # sched.h; os.CLONE_NEWNET comes with Python 3.12

NOT_PERMITTED = (
    "looking into a replica's network namespace needs CAP_SYS_ADMIN and CAP_SYS_PTRACE on the engine's host:"
    " run as root"
)
_SHALLOW = ("interfaces", "nsid")
_DEEP = (*WITHIN, "nsid", "inode", "statistics", "processes", "pressure", "resolver")


def inside(pid: int | None, work: Callable[[], T]) -> T:
    """What `work` returns, or raises, in a thread of its own in the network namespace of process `pid` (None: here).

    Sockets it opens and programs it starts belong to that namespace; the caller's thread stays where it is.
    Raises ProcessLookupError when the process is gone, PermissionError when it may not be entered, else OSError.
    """

    def enter_and_work() -> T:
        if pid is not None:
            with _opened(f"/proc/{pid}") as process, _opened("ns/net", os.O_RDONLY, process) as namespace_file:
                _enter(namespace_file)
        return work()

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="inside") as own_thread:
        return own_thread.submit(enter_and_work).result()


def read_namespaces(pids: Iterable[int], *, deep: bool = False) -> tuple[Namespace, Mapping[int, Namespace]]:
    """The network namespace fleetctl runs in, and by pid the one of each process.

    Without `deep` only interfaces with their addresses and the number are read; with it every field.
    Never raises for what cannot be read: it is None, with the reason in `unknown`. setns(2) moves one thread:
    the caller's stays where it is, one made for this walks through the namespaces and ends in the last.
    """
    walk = _walk_deep if deep else _walk
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="namespaces") as own_thread:
        return own_thread.submit(walk, tuple(dict.fromkeys(pids))).result()


def _walk(pids: tuple[int, ...]) -> tuple[Namespace, Mapping[int, Namespace]]:
    try:
        # A socket keeps the namespace it was opened in, so this one speaks of the host's all the way.
        with closing(Netlink()) as host:
            # The host first: listing a veth gives the namespace of its other end a number if it has none.
            here = Namespace(interfaces=tuple(interface(link) for link in list_links(host, counters=False)))
            return here, {pid: _read(host, pid) for pid in pids}
    except OSError as error:
        nothing = _unknown(f"netlink does not answer on this host: {error.strerror}", _SHALLOW)
        return nothing, dict.fromkeys(pids, nothing)


def _read(host: Netlink, pid: int) -> Namespace:
    """One process's namespace; number and interfaces through one open file, since a pid may be used again."""
    try:
        with _opened(f"/proc/{pid}") as process, _opened("ns/net", os.O_RDONLY, process) as namespace_file:
            nsid = namespace_id(host, fd=namespace_file)
            _enter(namespace_file)
            with closing(Netlink()) as inner:
                links = list_links(inner, counters=False)
                cidrs = addresses(inner)
            found = tuple(interface(link, cidrs.get(link.ifindex, ())) for link in links)
            return Namespace(interfaces=found, nsid=nsid)
    except PermissionError:
        return _read_unprivileged(host, pid)
    except OSError as error:
        return _unknown(_reason(pid, error), _SHALLOW)


def _read_unprivileged(host: Netlink, pid: int) -> Namespace:
    """What anyone may know of the namespace: its number and its addresses."""
    try:
        nsid = namespace_id(host, pid=pid)
        return Namespace(nsid=nsid, local_ipv4=local_ipv4(pid), unknown={"interfaces": NOT_PERMITTED})
    except OSError as error:
        return _unknown(_reason(pid, error), _SHALLOW)


def _walk_deep(pids: tuple[int, ...]) -> tuple[Namespace, Mapping[int, Namespace]]:
    try:
        with closing(Netlink()) as host:
            here = _survey_host(host)
            cgroups = Cgroups()
            surveys = {pid: _survey(host, pid, cgroups) for pid in pids}
    except OSError as error:
        nothing = _unknown(f"netlink does not answer on this host: {error.strerror}", _DEEP)
        return nothing, dict.fromkeys(pids, nothing)
    return _with_holders(here, surveys)


def _survey_host(host: Netlink) -> Survey:
    survey = Survey(lambda error: error.strerror or str(error))
    with _opened("/proc/thread-self") as process:
        survey.from_within(host)
        survey.from_host(process)
        survey.read("inode", lambda: os.stat("ns/net", dir_fd=process).st_ino)
    return survey


def _survey(host: Netlink, pid: int, cgroups: Cgroups) -> Survey:
    """Everything of one process's namespace; all through one open directory, since a pid may be used again."""
    survey = Survey(lambda error: _reason(pid, error))
    try:
        with _opened(f"/proc/{pid}") as process:
            survey.from_without(process, pid, cgroups)
            try:
                with _opened("ns/net", os.O_RDONLY, process) as namespace_file:
                    survey.fields["inode"] = os.fstat(namespace_file).st_ino
                    survey.read("nsid", lambda: namespace_id(host, fd=namespace_file))
                    _enter(namespace_file)
                    with closing(Netlink()) as inner:
                        survey.from_within(inner)
            except PermissionError:
                survey.fields["local_ipv4"] = local_ipv4(pid)
                survey.unknown |= dict.fromkeys((*WITHIN, "inode"), NOT_PERMITTED)
                survey.read("nsid", lambda: namespace_id(host, pid=pid))
    except OSError as error:
        survey.unknown |= dict.fromkeys(set(_DEEP) - set(survey.fields), _reason(pid, error))
    return survey


def _with_holders(here: Survey, surveys: Mapping[int, Survey]) -> tuple[Namespace, Mapping[int, Namespace]]:
    """The namespaces, each listener with the processes that hold it.

    Those of a container are searched first; only for sockets that nobody there holds (the host's, and those of
    another container in the same namespace) are all processes of the host.
    """
    known: dict[int, tuple[Process, ...]] = {}
    searched: set[int] = set()
    for survey in surveys.values():
        known |= survey.holdings.holders
        searched.update(process.pid for process in survey.holdings.processes)
    everybody = (here, *surveys.values())
    wanted = {listener.inode for survey in everybody for listener in survey.fields.get("listeners", ())}
    known |= find_holders(wanted - known.keys(), searched)

    def namespace(survey: Survey) -> Namespace:
        fields = survey.fields
        if "listeners" in fields:
            fields["listeners"] = tuple(_held(listener, known) for listener in fields["listeners"])
        return Namespace(**fields, unknown=survey.unknown)

    return namespace(here), {pid: namespace(survey) for pid, survey in surveys.items()}


def _held(listener: Listener, holders: Mapping[int, tuple[Process, ...]]) -> Listener:
    return replace(listener, processes=holders.get(listener.inode, ()))


def _unknown(reason: str, fields: Iterable[str]) -> Namespace:
    return Namespace(unknown=dict.fromkeys(fields, reason))


def _reason(pid: int, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return NOT_PERMITTED
    gone = isinstance(error, FileNotFoundError | ProcessLookupError)
    return f"process {pid} is gone" if gone else f"process {pid}: {error.strerror}"


@contextmanager
def _opened(path: str, flags: int = os.O_PATH | os.O_DIRECTORY, dir_fd: int | None = None) -> Iterator[int]:
    """An open file of /proc. Raises ProcessLookupError where there is none: the process is gone."""
    try:
        opened = os.open(path, flags | os.O_CLOEXEC, dir_fd=dir_fd)
    except FileNotFoundError:
        raise ProcessLookupError(errno.ESRCH, f"{path} is gone") from None
    try:
        yield opened
    finally:
        os.close(opened)


if sys.version_info >= (3, 12):

    def _enter(namespace_file: int) -> None:
        os.setns(namespace_file, os.CLONE_NEWNET)

else:
    _libc = ctypes.CDLL(None, use_errno=True)

    def _enter(namespace_file: int) -> None:
        if _libc.setns(namespace_file, _CLONE_NEWNET):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
