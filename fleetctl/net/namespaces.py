"""Reads the host's network namespace and those of processes, without a program inside them."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

from fleetctl.net.netlink import Netlink
from fleetctl.net.proc import local_ipv4
from fleetctl.state.network import Namespace

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000  # sched.h; os.CLONE_NEWNET comes with Python 3.12

NOT_PERMITTED = (
    "looking into a replica's network namespace needs CAP_SYS_ADMIN and CAP_SYS_PTRACE on the engine's host:"
    " run as root"
)


def inside(pid: int | None, work: Callable[[], T]) -> T:
    """What `work` returns, or raises, in a thread of its own in the network namespace of process `pid` (None: here).

    Sockets it opens and programs it starts belong to that namespace; the caller's thread stays where it is.
    Raises ProcessLookupError when the process is gone, PermissionError when it may not be entered, else OSError.
    """

    def enter_and_work() -> T:
        if pid is not None:
            try:
                namespace_file = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                raise ProcessLookupError(errno.ESRCH, f"process {pid} is gone") from None
            try:
                _enter(namespace_file)
            finally:
                os.close(namespace_file)
        return work()

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="inside") as own_thread:
        return own_thread.submit(enter_and_work).result()


def read_namespaces(pids: Iterable[int], *, deep: bool = False) -> tuple[Namespace, Mapping[int, Namespace]]:
    """The network namespace fleetctl runs in, and by pid the one of each process.

    Without `deep` only interfaces with their addresses and the number are read; with it every field.

    Never raises for what cannot be read: it is None, with the reason in `unknown`. setns(2) moves one thread:
    the caller's stays where it is, one made for this walks through the namespaces and ends in the last.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="namespaces") as own_thread:
        return own_thread.submit(_walk, tuple(pids)).result()


def _walk(pids: tuple[int, ...]) -> tuple[Namespace, Mapping[int, Namespace]]:
    try:
        # A socket keeps the namespace it was opened in, so this one speaks of the host's all the way.
        with closing(Netlink()) as host:
            # The host first: listing a veth gives the namespace of its other end a number if it has none.
            here = Namespace(interfaces=host.interfaces(addresses=False))
            return here, {pid: _read(host, pid) for pid in pids}
    except OSError as error:
        reason = f"netlink does not answer on this host: {error.strerror}"
        nothing = Namespace(unknown={"interfaces": reason, "nsid": reason})
        return nothing, dict.fromkeys(pids, nothing)


def _read(host: Netlink, pid: int) -> Namespace:
    """One process's namespace; number and interfaces through one open file, since a pid may be used again."""
    try:
        namespace_file = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return _read_unprivileged(host, pid)
    except OSError as error:
        return _unreadable(pid, error)
    try:
        nsid = host.namespace_id(fd=namespace_file)
        _enter(namespace_file)
        with closing(Netlink()) as inside:
            return Namespace(interfaces=inside.interfaces(addresses=True), nsid=nsid)
    except PermissionError:
        return _read_unprivileged(host, pid)
    except OSError as error:
        return _unreadable(pid, error)
    finally:
        os.close(namespace_file)


def _read_unprivileged(host: Netlink, pid: int) -> Namespace:
    """What anyone may know of the namespace: its number and its addresses."""
    unknown = {"interfaces": NOT_PERMITTED}
    try:
        return Namespace(nsid=host.namespace_id(pid=pid), local_ipv4=local_ipv4(pid), unknown=unknown)
    except OSError as error:
        return _unreadable(pid, error)


def _unreadable(pid: int, error: OSError) -> Namespace:
    gone = isinstance(error, FileNotFoundError | ProcessLookupError)
    reason = f"process {pid} is gone" if gone else f"the namespace of process {pid}: {error.strerror}"
    return Namespace(unknown={"interfaces": reason, "nsid": reason})


if sys.version_info >= (3, 12):

    def _enter(namespace_file: int) -> None:
        os.setns(namespace_file, os.CLONE_NEWNET)

else:
    _libc = ctypes.CDLL(None, use_errno=True)

    def _enter(namespace_file: int) -> None:
        if _libc.setns(namespace_file, _CLONE_NEWNET):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
