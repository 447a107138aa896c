"""The way of one probe's packets through the kernel, by ftrace alone: sent, received, dropped, and for what reason.

Events of the kernel (tracefs; Documentation/trace/events.rst) are switched on in a buffer of our own, for one thread
only. Loopback, veth pairs and bridges carry a packet on in the context of the thread that sent it, up to the socket
and back with the answer; what is too much at once the kernel leaves to its ksoftirqd threads, so these are traced
too. What they and the thread do for other people's packets is sorted out by `tracepoints`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from fleetctl.net.tracepoints import read_points
from fleetctl.state.filters import Trace

T = TypeVar("T")

_MOUNTED = "/sys/kernel/tracing"
_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432  # asm-generic/unistd.h: the same on every machine but Alpha
_CLOSE_ON_EXEC, _CREATE = 1, 6  # FSOPEN_CLOEXEC and FSMOUNT_CLOEXEC; FSCONFIG_CMD_CREATE (linux/mount.h)
_INITIAL_PIDS = 0xEFFFFFFC  # PROC_PID_INIT_INO: the inode of the first pid namespace
_INSTANCE = re.compile(r"fleetctl-(\d+)")

_EVENTS = {
    "net/net_dev_queue": "",
    "net/netif_receive_skb": "",
    "skb/kfree_skb": "protocol == 0x0800 || protocol == 0x86dd",  # ETH_P_IP, ETH_P_IPV6
    "irq/softirq_entry": "vec == 1 || vec == 8",  # TIMER_SOFTIRQ, HRTIMER_SOFTIRQ
}
_SETTINGS = {
    "buffer_size_kb": "128",  # for each processor; more than a thousand events
    "options/overwrite": "0",  # should that not do, it is the first events that count
    "options/event-fork": "1",  # threads that the work starts are traced as well
}

_one_at_a_time = threading.Lock()


def traced(work: Callable[[], T]) -> tuple[T, Trace]:
    """Run `work` in the calling thread and tell what happened to the packets sent in it and in threads it starts.

    Never raises for what the kernel does not let us see (see `Trace.unknown`); what `work` raises reaches the
    caller. Adds about 0.1 s. One at a time: others wait.
    """
    with _one_at_a_time, ExitStack() as stack:
        try:
            instance = stack.enter_context(_tracing())
        except OSError as error:
            return work(), Trace(unknown=_reason(error))
        result = work()
        try:
            _write(instance, "tracing_on", "0")
            text = _read(instance, "trace")
        except OSError as error:
            return result, Trace(unknown=_reason(error))
    return result, Trace(points=read_points(text))


def _reason(error: OSError) -> str:
    if error.errno in (errno.EPERM, errno.EACCES):
        return "tracing packets needs CAP_SYS_ADMIN on the engine's host, and its kernel's consent: run as root"
    if error.errno in (errno.ENODEV, errno.ENOSYS, errno.ENOENT):
        return f"this kernel cannot trace packets: {error.strerror}"
    return f"tracing packets: {error.strerror}"


@contextmanager
def _tracing() -> Iterator[int]:
    """A buffer that fills with the calling thread's events: the descriptor of its directory."""
    if Path("/proc/self/ns/pid").stat().st_ino != _INITIAL_PIDS:
        raise OSError(errno.EXDEV, "the kernel knows threads by their ids in the host's pid namespace only")
    with _instances() as instances:
        _remove_left_over(instances)
        name = f"fleetctl-{os.getpid()}"
        os.mkdir(name, dir_fd=instances)
        try:
            with _directory(name, instances) as instance:
                _switch_on(instance)
                yield instance
        finally:
            _remove(name, instances)


def _switch_on(instance: int) -> None:
    for setting, value in _SETTINGS.items():
        _write(instance, setting, value)
    _write(instance, "set_event_pid", " ".join(map(str, (threading.get_native_id(), *_softirq_threads()))))
    for event, wanted in _EVENTS.items():
        if wanted:
            _write(instance, f"events/{event}/filter", wanted)
        _write(instance, f"events/{event}/enable", "1")


@contextmanager
def _instances() -> Iterator[int]:
    """The directory of all buffers. Where nobody has mounted tracefs it is mounted at no place, for us alone."""
    with ExitStack() as stack:
        try:
            instances = stack.enter_context(_directory(f"{_MOUNTED}/instances"))
        except FileNotFoundError:
            instances = stack.enter_context(_directory("instances", stack.enter_context(_detached_mount())))
        yield instances


@contextmanager
def _detached_mount() -> Iterator[int]:
    """Tracefs in no mount namespace (fsopen(2), fsmount(2)): it is gone with the descriptor, however we end."""
    context = _system_call(_FSOPEN, b"tracefs", _CLOSE_ON_EXEC)
    try:
        _system_call(_FSCONFIG, context, _CREATE, None, None, 0)
        mount = _system_call(_FSMOUNT, context, _CLOSE_ON_EXEC, 0)
    finally:
        os.close(context)
    try:
        yield mount
    finally:
        os.close(mount)


def _system_call(number: int, *arguments: int | bytes | None) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    wide = (ctypes.c_long(one) if isinstance(one, int) else one for one in arguments)
    result = int(libc.syscall(ctypes.c_long(number), *wide))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _remove_left_over(instances: int) -> None:
    """Removes the buffers of fleetctls that were killed, and one that had our own number before us."""
    for name in os.listdir(instances):
        owner = _INSTANCE.fullmatch(name)
        if owner and (int(owner[1]) == os.getpid() or not Path(f"/proc/{owner[1]}").exists()):
            _remove(name, instances)


def _remove(name: str, instances: int) -> None:
    """Switches its events off and frees the buffer. If somebody has a file of it open, the next run removes it."""
    with suppress(OSError):
        os.rmdir(name, dir_fd=instances)


def _softirq_threads() -> tuple[int, ...]:
    """Ids of the kernel's threads that go on with packets. kthreadd, whose children they are, is process 2."""
    found = []
    with suppress(OSError):
        for pid in Path("/proc/2/task/2/children").read_text().split():
            with suppress(OSError):  # gone meanwhile
                if Path(f"/proc/{pid}/comm").read_text().startswith(("ksoftirqd/", "backlog_napi/")):
                    found.append(int(pid))
    return tuple(found)


@contextmanager
def _directory(path: str, parent: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write(instance: int, path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, dir_fd=instance)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _read(instance: int, path: str) -> str:
    with open(path, errors="replace", opener=lambda name, flags: os.open(name, flags, dir_fd=instance)) as file:
        return file.read()
